"""Exports a run's model for TensorFlow Serving: keras-inr export --run=runs/0001"""

import os
import pathlib
import shlex
from typing import Any

import tensorflow as tf
from absl import flags

from keras_inr._arguments import holds_pattern, servable_path
from keras_inr._reading import read_json
from keras_inr.cli import own_modules
from keras_inr.cli.help import group
from keras_inr.export.saved_model import export_saved_model
from keras_inr.models.field_files import model_path, read_field
from keras_inr.runs.layout import METRICS
from keras_inr.runs.results import served_facts

FLAGS = flags.FLAGS


@group("Export")
def define_flags() -> None:
    """Defines the flags of the command."""
    flags.DEFINE_string("run", None, "run folder; its model.keras is exported, with the figures of its metrics.json")
    flags.DEFINE_string("model", None, "another .keras file to export; figures come from a metrics.json beside it")
    flags.DEFINE_string("base_path", None, "folder of the versions; saved_model/ beside the model")
    flags.DEFINE_integer("version", None, "version number; the largest existing plus 1 by default", lower_bound=1)
    flags.DEFINE_integer("max_pixels", 2**24, "most points that a render request may evaluate", lower_bound=1)
    own_modules.define()


def main(argv: list[str]) -> int:
    """Exports the model that the flags name; the exit code."""
    model = model_path(FLAGS.run, FLAGS.model)
    base_path = servable_path("base_path", FLAGS.base_path or model.parent / "saved_model")
    field = read_field(model)
    metrics = load_metrics(model.with_name(METRICS))
    facts = served_facts(metrics)
    folder = export_saved_model(field, base_path, FLAGS.version, info=facts, max_pixels=FLAGS.max_pixels)
    print(summary(folder))
    return 0


def load_metrics(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The figures of the run that made a model, none if there are none."""
    try:
        return read_json(path)
    except FileNotFoundError:
        return {}


def summary(folder: pathlib.Path) -> str:
    """Where the export is, what it answers, and how to load and serve it."""
    signatures = tf.saved_model.load(str(folder)).signatures
    given, folder = folder, folder.resolve()
    loaded = given if holds_pattern(folder) else folder  # from here only, then, where TensorFlow sees no pattern
    listed = []
    for name, function in sorted(signatures.items()):
        inputs = ", ".join(sorted(function.structured_input_signature[1]))
        listed.append(f"  {name}({inputs}) -> {', '.join(sorted(function.structured_outputs))}")
    mount = shlex.quote(f"{folder.parent}:/models/field")
    return "\n".join(
        [
            str(folder),
            "signatures:",
            *listed,
            "load it in Python:",
            f"  served = tf.saved_model.load({str(loaded)!r})",
            '  served.signatures["serving_default"](coords=tf.zeros((1, 2)))["values"]',
            "serve it:",
            f"  docker run --rm -p 8500:8500 -p 8501:8501 -v {mount} -e MODEL_NAME=field tensorflow/serving",
        ]
    )
