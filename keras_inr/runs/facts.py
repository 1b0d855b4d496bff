"""What every kind of run records: its history, the device that it computed on, and versions."""

import csv
import os
import pathlib
import platform
from collections.abc import Iterable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_inr._cores import usable_cores
from keras_inr._files import atomic_path
from keras_inr._version import __version__
from keras_inr.training.callbacks import PARTIAL_LOSSES

HISTORY = ("step", "seconds", "loss", "psnr_db", "average_psnr_db", "learning_rate", "picture_psnr_db", *PARTIAL_LOSSES)


def write_history(path: str | os.PathLike[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """The run's rows as CSV."""
    with atomic_path(path) as temporary, open(temporary, "w", newline="") as file:
        writer = csv.DictWriter(file, HISTORY, restval="")
        writer.writeheader()
        writer.writerows(rows)


def versions() -> dict[str, str]:
    """Of what computed the figures."""
    packages = {"keras_inr": __version__, "tensorflow": tf.__version__, "keras": keras.__version__}
    return {**packages, "numpy": np.__version__, "python": platform.python_version()}


def device_name(num_devices: int = 1) -> str:
    """What the run computed on, such as "CPU, 2 cores, AMD EPYC", or "2 x GPU, ..." for several devices."""
    if num_devices > 1:
        return f"{num_devices} x {device_name()}"
    gpus = tf.config.list_logical_devices("GPU")
    if gpus:
        details = tf.config.experimental.get_device_details(tf.config.list_physical_devices("GPU")[0])
        return f"GPU, {details.get('device_name', 'unknown')}"
    cores = usable_cores()
    return f"CPU, {cores} {'core' if cores == 1 else 'cores'}, {_cpu_model()}"


def _cpu_model():
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
