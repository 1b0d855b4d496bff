"""lint_saved_model: nothing to say about our exports, and a sentence for each thing that a server cannot run."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import saved_model_pb2

from keras_inr.export.lint import ALLOWED_OPS, lint_saved_model


@pytest.mark.parametrize("arguments", [("siren_256",), ("multi_hash",)])
def test_exports_are_clean(exported, arguments):
    assert lint_saved_model(exported(*arguments)[1]) == []


def write_module(folder, function, **options):
    """A SavedModel with one signature over points, written by TensorFlow alone."""
    module = tf.Module()
    module.serve = tf.function(
        function, input_signature=[tf.TensorSpec((None, 2), tf.float32, "coords")], autograph=False, **options
    )
    tf.saved_model.save(module, str(folder), signatures=module.serve)
    return folder


def test_a_plain_module_is_clean(tmp_path):
    assert lint_saved_model(write_module(tmp_path, lambda coords: {"values": coords * 2})) == []


def test_functions_compiled_with_xla(tmp_path):
    folder = write_module(tmp_path, lambda coords: {"values": coords * 2}, jit_compile=True)
    expected = "a function is compiled with XLA (jit_compile=True), which TensorFlow Serving has switched off"
    assert lint_saved_model(folder) == [expected]


def test_nested_functions_compiled_with_xla(tmp_path):
    inner = tf.function(lambda coords: coords * 2, jit_compile=True)
    folder = write_module(tmp_path, lambda coords: {"values": inner(coords)})
    assert "a function is compiled with XLA" in lint_saved_model(folder)[0]


@pytest.mark.parametrize(
    ("function", "op"),
    [
        (lambda coords: tf.numpy_function(np.sin, [coords], tf.float32), "PyFunc"),
        (lambda coords: tf.py_function(tf.sin, [coords], tf.float32), "EagerPyFunc"),
        (lambda coords: coords + tf.random.uniform(()), "RandomUniform"),
        (lambda coords: coords + tf.strings.to_number(tf.io.read_file("/etc/hostname")), "ReadFile"),
    ],
)
def test_ops_that_a_server_must_not_run(tmp_path, function, op):
    folder = write_module(tmp_path, lambda coords: {"values": tf.ensure_shape(function(coords), (None, 2))})
    assert f"op {op!r} is not in ALLOWED_OPS" in lint_saved_model(folder)


def test_all_allowed_ops_exist():
    """A misspelt name would allow nothing."""
    assert [op for op in sorted(ALLOWED_OPS) if not hasattr(tf.raw_ops, op)] == []


def first_function(saved_model):
    return saved_model.meta_graphs[0].graph_def.library.function[0]


def signature(saved_model, name="serving_default"):
    return saved_model.meta_graphs[0].signature_def[name]


def rename_tag(saved_model):
    saved_model.meta_graphs[0].meta_info_def.tags[:] = ["train"]


def second_graph(saved_model):
    saved_model.meta_graphs.add().CopyFrom(saved_model.meta_graphs[0])


def xla_module(saved_model):
    first_function(saved_model).node_def[0].op = "XlaCallModule"


def compiled_node(saved_model):
    saved_model.meta_graphs[0].graph_def.node[0].attr["_XlaMustCompile"].b = True


def no_default(saved_model):
    del saved_model.meta_graphs[0].signature_def["serving_default"]


def no_input(saved_model):
    signature(saved_model, "info").inputs.clear()


def scalar_input(saved_model):
    del signature(saved_model).inputs["coords"].tensor_shape.dim[:]


def fixed_batch(saved_model):
    signature(saved_model, "render").inputs["size"].tensor_shape.dim[0].size = 1


def unknown_rank(saved_model):
    signature(saved_model).outputs["values"].tensor_shape.unknown_rank = True


def raw_bytes(saved_model):
    outputs = signature(saved_model, "render_png").outputs
    outputs["png"].CopyFrom(outputs["png_bytes"])
    assert outputs["png"].dtype == types_pb2.DT_STRING


NO_DEFAULT = "there must be a signature 'serving_default', received ['__saved_model_init_op', 'gradient', 'info', "
BROKEN = [
    (rename_tag, "the SavedModel must have one graph with the tag 'serve', received [['train']]"),
    (second_graph, "the SavedModel must have one graph with the tag 'serve', received [['serve'], ['serve']]"),
    (xla_module, "op 'XlaCallModule' is not in ALLOWED_OPS"),
    (compiled_node, "a function is compiled with XLA (jit_compile=True), which TensorFlow Serving has switched off"),
    (no_default, NO_DEFAULT + "'laplacian', 'render', 'render_png']"),
    (no_input, "signature 'info' must have an input"),
    (scalar_input, "signature 'serving_default' must have a first axis of any length in 'coords', received shape []"),
    (fixed_batch, "signature 'render' must have a first axis of any length in 'size', received shape [1, 2]"),
    (unknown_rank, "signature 'serving_default' must have a first axis of any length in 'values', received shape None"),
    (raw_bytes, "signature 'render_png' must call a string output *_bytes, received 'png'"),
]


@pytest.mark.parametrize(("breakage", "problem"), BROKEN, ids=lambda value: getattr(value, "__name__", ""))
def test_one_sentence_for_each_breakage(exported, tmp_path, breakage, problem):
    saved_model = saved_model_pb2.SavedModel()
    saved_model.ParseFromString((exported()[1] / "saved_model.pb").read_bytes())
    breakage(saved_model)
    (tmp_path / "saved_model.pb").write_bytes(saved_model.SerializeToString())
    assert lint_saved_model(tmp_path) == [problem]
