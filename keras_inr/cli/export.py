"""Exports a run's model for TensorFlow Serving or another runtime: keras-inr export --run=runs/0001 --to=models

--to writes what a server is started with: a folder of models, of points and of pictures, with models.config. Without
it one SavedModel with all signatures is written beside the model, for Python or for a server of this model alone.
--format=onnx, litert or openvino writes a file for that runtime, whose values are compared with the model's before.
"""

import os
import pathlib
import re
import shlex
from typing import Any

import numpy as np
import tensorflow as tf
from absl import flags

from keras_inr._arguments import holds_pattern, servable_path
from keras_inr._reading import read_json
from keras_inr.cli import own_modules
from keras_inr.cli.help import group
from keras_inr.cli.startup import no_standard_error
from keras_inr.errors import InputError
from keras_inr.export.formats import NAMES, export_field
from keras_inr.export.instructions import curl_commands, docker_command
from keras_inr.export.model_base import BaseVersion, export_model_base
from keras_inr.export.saved_model import export_saved_model
from keras_inr.models.field import to_uint8
from keras_inr.models.field_files import model_path, read_field
from keras_inr.runs.layout import METRICS
from keras_inr.runs.results import served_facts
from keras_inr.signals.image import load_image
from keras_inr.signals.large import open_image

FLAGS = flags.FLAGS
FORMAT_NAMES = ("saved_model", *NAMES)
OF_A_BASE = ("name", "add_version", "label", "original", "container_path")
STRIP = 2**22
"""Pixels of a large picture that are read at a time."""


@group("Export")
def define_flags() -> None:
    """Defines the flags of the command."""
    flags.DEFINE_string("run", None, "run folder; its model.keras is exported, with the figures of its metrics.json")
    flags.DEFINE_string("model", None, "another .keras file to export; figures come from a metrics.json beside it")
    flags.DEFINE_string("base_path", None, "folder of the versions; saved_model/ beside the model")
    flags.DEFINE_string(
        "to",
        None,
        "model base, a folder of models for tensorflow_model_server; made if absent. With --format, the file",
    )
    flags.DEFINE_enum("format", "saved_model", FORMAT_NAMES, "what is written; for openvino it is a folder")
    flags.DEFINE_integer("batch", None, "points of a call, with --format; any number by default", lower_bound=1)
    flags.DEFINE_string("name", None, "in the model base; that of the picture by default")
    flags.DEFINE_bool("add_version", False, "the name is there already, and this is a newer version of it")
    flags.DEFINE_list("label", [], "names for this version in the model base, such as stable, with commas between")
    flags.DEFINE_bool("original", False, "keep the fitted picture in the model base too, so that a page can show both")
    flags.DEFINE_string("container_path", None, "where the server sees the model base; /models, or as before")
    flags.DEFINE_integer("version", None, "version number; the largest existing plus 1 by default", lower_bound=1)
    flags.DEFINE_integer("max_pixels", 2**24, "most points that a render request may evaluate", lower_bound=1)
    own_modules.define()


def main(argv: list[str]) -> int:
    """Exports the model that the flags name; the exit code."""
    model = model_path(FLAGS.run, FLAGS.model)
    if FLAGS.format != "saved_model":
        return export_to_runtime(model)
    if FLAGS["batch"].present:
        raise InputError("--batch goes with --format=onnx, litert or openvino")
    if FLAGS.to is not None:
        return export_to_base(model)
    for name in OF_A_BASE:
        if FLAGS[name].present:
            raise InputError(f"--{name} goes with --to")
    base_path = servable_path("base_path", FLAGS.base_path or model.parent / "saved_model")
    field = read_field(model)
    metrics = load_metrics(model.with_name(METRICS))
    facts = served_facts(metrics)
    folder = export_saved_model(field, base_path, FLAGS.version, info=facts, max_pixels=FLAGS.max_pixels)
    print(summary(folder))
    return 0


def export_to_runtime(model: pathlib.Path) -> int:
    """Exports a .keras file in the format of another runtime that the flags name; the exit code."""
    for name in ("base_path", "version", "max_pixels", *OF_A_BASE):
        if FLAGS[name].present:
            raise InputError(f"--{name} is for TensorFlow Serving, received --format={FLAGS.format}")
    names = {"onnx": "model.onnx", "litert": "model.tflite"}
    path = FLAGS.to or model.with_name(names.get(FLAGS.format, FLAGS.format))
    field = read_field(model)
    with no_standard_error():  # converters tell what they do; what is wrong is raised
        made = export_field(field, path, FLAGS.format, FLAGS.batch)
    print(runtime_summary(made, FLAGS.format, FLAGS.batch))
    return 0


def export_to_base(model: pathlib.Path) -> int:
    """Exports a .keras file into the model base that the flags name; the exit code."""
    if FLAGS.base_path is not None:
        raise InputError("--base_path is for one SavedModel: give it or --to")
    metrics = load_metrics(model.with_name(METRICS))
    made = export_model_base(
        read_field(model),
        FLAGS.to,
        FLAGS.name or name_of(metrics, model),
        FLAGS.version,
        add_version=FLAGS.add_version,
        labels=FLAGS.label,
        container_path=FLAGS.container_path,
        original=original_of(metrics) if FLAGS.original else None,
        info=served_facts(metrics),
        max_pixels=FLAGS.max_pixels,
    )
    print(base_summary(made))
    return 0


def original_of(metrics: dict[str, Any]) -> np.ndarray:
    """The values of the picture that a run fitted, read again.

    Raises:
        InputError: where there is none, or its file holds another picture now.
    """
    if not isinstance(metrics.get("image"), str):
        raise InputError("--original is for runs: the picture that the model was fitted to is not known")
    options = metrics.get("image_options", {})
    if "blocks" not in metrics:
        signal = load_image(metrics["image"], **options)
        _check_same(signal.sha256, metrics)
        return signal.values
    with open_image(metrics["image"], **options) as picture:
        _check_same(picture.sha256, metrics)
        height, width = picture.size
        rows = max(1, STRIP // width)
        strips = ((top, min(rows, height - top)) for top in range(0, height, rows))
        return np.concatenate([to_uint8(picture.window(top, 0, number, width)) for top, number in strips])


def _check_same(sha256: str, metrics: dict[str, Any]) -> None:
    if sha256 != metrics.get("image_sha256"):
        raise InputError(f"--original: {metrics['image']} is not the picture any more that the model was fitted to")


def name_of(metrics: dict[str, Any], model: pathlib.Path) -> str:
    """What a model is called: as its picture, or else as its file.

    >>> name_of({"image": "photos/my fox.jpg"}, pathlib.Path("model.keras"))
    'my_fox'
    >>> name_of({}, pathlib.Path("runs/0001/model.keras"))
    'model'
    """
    image = metrics.get("image")
    stem = pathlib.PurePath(image.removeprefix("sample:") if isinstance(image, str) else model.name).stem
    return re.sub(r"[^A-Za-z0-9_.-]", "_", stem).strip("._-")[:50] or "field"


def base_summary(made: BaseVersion) -> str:
    """Where the models are, how they are served, and one line that asks each signature."""
    asked = [
        line for signature, command in curl_commands(made).items() for line in (f"  # {signature}", f"  {command}")
    ]
    labels = "".join(f", {label} is version {version}" for label, version in sorted(made.labels.items()))
    return "\n".join(
        [
            *(str(made.base.resolve() / model / str(made.version)) for model in made.signatures),
            f"{made.name}: version {made.version}{labels}",
            "serve it:",
            f"  {docker_command(made)}",
            "ask it:",
            *asked,
        ]
    )


def runtime_summary(path: pathlib.Path, format: str, batch: int | None) -> str:
    """Where the export is, and the lines of Python that run it.

    >>> print(runtime_summary(pathlib.Path("/cat.onnx"), "onnx", None))
    /cat.onnx
    run it:
      import numpy, onnxruntime
      session = onnxruntime.InferenceSession('/cat.onnx')
      session.run(None, {"coords": numpy.zeros((5, 2), "float32")})[0]
    """
    path = path.resolve()
    points = f'numpy.zeros(({batch or 5}, 2), "float32")'
    lines = {
        "onnx": (
            "import numpy, onnxruntime",
            f"session = onnxruntime.InferenceSession({str(path)!r})",
            f'session.run(None, {{"coords": {points}}})[0]',
        ),
        "litert": (
            "import numpy, ai_edge_litert.interpreter",
            f"runner = ai_edge_litert.interpreter.Interpreter({str(path)!r}).get_signature_runner()",
            f"[*runner(coords={points}).values()][0]",
        ),
        "openvino": (
            "import numpy, openvino",
            'exact = {"INFERENCE_PRECISION_HINT": "f32"}  # some processors take fewer bits otherwise',
            f'model = openvino.Core().compile_model({str(path / "model.xml")!r}, "CPU", exact)',
            f"model({points})[0]",
        ),
    }
    return "\n".join([str(path), "run it:", *(f"  {line}" for line in lines[format])])


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
