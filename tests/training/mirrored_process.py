"""The same fits on one and on two logical CPU devices: mirrored_process.py FOLDER; prints their figures as JSON."""

import json
import sys

import keras
import numpy as np
import tensorflow as tf

from keras_inr.runs.fit_run import Display, run_image_fit
from keras_inr.runs.plan import plan_fit
from keras_inr.training import fit
from keras_inr.training.strategies import make_strategy
from training.small_fits import StopAfter, small_field, small_picture

CASES = {
    "random": {"batch_size": 50},
    "full": {"sampling": "full"},
    "plateau": {"sampling": "full", "schedule": "plateau", "plateau_patience": 1, "learning_rate": 1e-9},
    "derivatives": {"batch_size": 50, "supervise": "combined"},
}


def main(folder):
    told = {f"siren {case}": both("siren", case) for case in CASES}
    told |= {f"multi_hash {case}": both("multi_hash", case) for case in ("random", "full")}
    told["run"] = run(f"{folder}/run")
    told["odd"] = refusal({"batch_size": 51})
    told["resumed"] = resumed(f"{folder}/resumed")
    print(json.dumps(told))


def both(kind, case):
    """Final PSNR, last learning rate and largest weight difference of one and of two devices."""
    fields, figures = [], []
    for name in ("none", "mirrored"):
        with make_strategy(name).scope():
            field = small_field(kind, dtype="float64")
        result = fit(field, small_picture(), **{"steps": 40, "learning_rate": 1e-3, "progress": False, **CASES[case]})
        fields.append(field)
        figures.append([result.psnr_db, result.rows[-1]["learning_rate"], result.rows[-1]["loss"]])
    pairs = zip(*(field.get_weights() for field in fields), strict=True)
    return {"figures": figures, "difference": max(float(np.abs(a - b).max()) for a, b in pairs)}


def refusal(recipe):
    """What `fit` says to a recipe."""
    with make_strategy("mirrored").scope():
        field = small_field("siren")
    try:
        fit(field, small_picture(), steps=1, **recipe)
    except ValueError as error:
        return str(error)


def resumed(folder):
    """Weights of a mirrored fit that was stopped and went on, less those of one that was not."""
    arguments = {"steps": 40, "batch_size": 50, "learning_rate": 1e-3, "progress": False}
    fields = []
    for part in range(2):
        with make_strategy("mirrored").scope():
            fields.append(small_field("siren"))
        options = {"checkpoint_dir": folder} if part else {}
        if part:
            with make_strategy("mirrored").scope():
                begun = small_field("siren")
            fit(begun, small_picture(), should_stop=StopAfter(15), **arguments, **options)
        fit(fields[-1], small_picture(), **arguments, **options)
    pairs = zip(*(field.get_weights() for field in fields), strict=True)
    return max(float(np.abs(a - b).max()) for a, b in pairs)


def run(folder):
    """A whole run: its metrics, and how far model and export are from each other."""
    planned = plan_fit(
        "sample:camera",
        "siren",
        image_options={"size": 16},
        recipe={"steps": 20, "batch_size": 32},
        strategy="mirrored",
    )
    folder, metrics = run_image_fit(planned, folder, display=Display(tensorboard=False, progress=False))
    coords = np.random.default_rng(0).uniform(-1, 1, (9, 2)).astype("float32")
    served = tf.saved_model.load(str(folder / "saved_model" / "1")).signatures["serving_default"](tf.constant(coords))
    model = keras.saving.load_model(folder / "model.keras", compile=False)
    difference = float(np.abs(served["values"].numpy() - model(coords).numpy()).max())
    return {"device": metrics["device"], "psnr_db": metrics["psnr_db"], "difference": difference}


if __name__ == "__main__":
    device = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(device, [tf.config.LogicalDeviceConfiguration()] * 2)
    main(sys.argv[1])
