"""Exports a run's model for TensorFlow Serving: python scripts/export.py --run=runs/0001"""

import startup

startup.start()

import json
import shlex
import zipfile

import keras
import tensorflow as tf
from absl import flags

import keras_inr.models
from keras_inr.arguments import holds_pattern, local_path, servable_path
from keras_inr.export import export_saved_model
from keras_inr.runs.errors import InputError
from keras_inr.runs.results import served_facts

FLAGS = flags.FLAGS


def define_flags():
    flags.DEFINE_string("run", None, "run folder; its model.keras is exported, with the figures of its metrics.json")
    flags.DEFINE_string("model", None, "another .keras file to export; figures come from a metrics.json beside it")
    flags.DEFINE_string("base_path", None, "folder of the versions; saved_model/ beside the model")
    flags.DEFINE_integer("version", None, "version number; the largest existing plus 1 by default", lower_bound=1)
    flags.DEFINE_integer("max_pixels", 2**24, "most pixels that a render request may ask for", lower_bound=1)


def main(argv):
    if (FLAGS.run is None) == (FLAGS.model is None):
        received = "neither" if FLAGS.run is None else f"--run={FLAGS.run} and --model={FLAGS.model}"
        raise InputError(f"give one of --run, a run folder, and --model, a .keras file, received {received}")
    try:
        model = local_path("model", FLAGS.model) if FLAGS.run is None else local_path("run", FLAGS.run) / "model.keras"
        base_path = servable_path("base_path", FLAGS.base_path or model.parent / "saved_model")
        field = load_field(model)
        metrics = load_metrics(model.with_name("metrics.json"))
        folder = export_saved_model(
            field, base_path, FLAGS.version, info=served_facts(metrics), max_pixels=FLAGS.max_pixels
        )
    except (ValueError, FileExistsError) as error:
        raise InputError(str(error)) from None
    print(summary(folder))
    return 0


def load_field(path):
    """The field in a .keras file."""
    if not path.exists():
        raise InputError(f"there is no model to export: {path} does not exist")
    if path.is_dir():
        raise InputError(f"model must be a .keras file, received the folder {path}; a run's folder goes with --run")
    if path.suffix != ".keras":
        raise InputError(f"model must be a file whose name ends in .keras, received {path}")
    if not zipfile.is_zipfile(path):
        raise InputError(f"{path} is no .keras file, or not a whole one")
    try:
        model = keras.saving.load_model(path, compile=False)
    except Exception as error:  # whatever a torn or foreign file makes Keras raise
        raise InputError(f"{path} cannot be loaded: {' '.join(str(error).split())}") from None
    if not isinstance(model, keras_inr.models.Field):
        raise InputError(f"{path} must hold a field of keras_inr, received a {type(model).__name__}")
    return model


def load_metrics(path):
    """The figures of the run that made a model, none if there are none."""
    try:
        metrics = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}") from None
    if not isinstance(metrics, dict):
        raise InputError(f"{path} must hold a JSON object, received {metrics!r}")
    return metrics


def summary(folder):
    """Where the export is, what it answers, and how to load and serve it."""
    signatures = tf.saved_model.load(str(folder)).signatures
    given, folder = folder, folder.resolve()
    loaded = given if holds_pattern(folder) else folder  # from here only, then, where TensorFlow sees no pattern
    listed = []
    for name, function in sorted(signatures.items()):
        inputs = ", ".join(sorted(function.structured_input_signature[1]))
        listed.append(f"  {name}({inputs}) -> {', '.join(function.structured_outputs)}")
    mount = shlex.quote(f"{folder.parent}:/models/field")
    return "\n".join(
        [
            str(folder),
            "signatures:",
            *listed,
            "load it in Python:",
            f"  served = tf.saved_model.load({str(loaded)!r}).signatures",
            '  served["serving_default"](coords=tf.zeros((1, 2)))["values"]',
            "serve it:",
            f"  docker run --rm -p 8500:8500 -p 8501:8501 -v {mount} -e MODEL_NAME=field tensorflow/serving",
        ]
    )


if __name__ == "__main__":
    define_flags()
    startup.run(main)
