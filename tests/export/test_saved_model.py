"""Exported fields answer like the fields that they were made from."""

import json
import os
import pickle
import resource
import signal
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from public_presets import PUBLIC

import keras_inr.export.saved_model as saved_model
from export.small_fields import (
    ATOL,
    BOXES,
    CHUNK,
    COORDS,
    EVERY,
    FRAMES,
    MANY,
    ROOT,
    SIZES,
    SMALL,
    assert_same_pixels,
    caller,
    check_answers,
    decoded,
    small_field,
)
from keras_inr.export import export_saved_model
from keras_inr.models import ReluMLP
from keras_inr.presets import get_preset


def test_the_small_presets_have_every_public_model():
    """One that is only a file in keras_inr/models has the contract's export check."""
    assert {get_preset(name).model for name in SMALL} == {get_preset(info.name).model for info in PUBLIC}


@pytest.mark.parametrize("preset", EVERY)
def test_every_preset_answers_like_its_field(served, preset):
    field, signatures = served(preset)
    check_answers(field, caller(signatures))


@pytest.mark.parametrize("arguments", [{"channels": 1}, {"channels": 4}, {"dtype": "float64"}], ids=str)
def test_channels_and_float64(served, arguments):
    field, signatures = served("siren", **arguments)
    check_answers(field, caller(signatures))


@pytest.mark.slow
@pytest.mark.parametrize(("policy", "epsilon"), [("mixed_bfloat16", 2**-7), ("mixed_float16", 2**-10)])
def test_mixed_policies_serve_float32(served, policy, epsilon):
    field, signatures = served("relu_pe", dtype=policy)
    values = caller(signatures)("serving_default", {"coords": COORDS})["values"]
    assert values.dtype == np.float32
    # three layers round values of size 1 to the compute dtype; graph and eager do so at different places
    np.testing.assert_allclose(values, field(COORDS), rtol=0, atol=8 * epsilon)


@pytest.mark.filterwarnings("ignore:scheme 'descent' has 30 radians")
def test_mixed_policies_keep_exact_phases(served):
    """Two coordinates that bfloat16 cannot tell apart give two values."""
    _, signatures = served("siren", dtype="mixed_bfloat16", omega_0=300.0)
    near = np.float32([[0.5, 0.25], [0.5009, 0.25]])
    first, second = caller(signatures)("serving_default", {"coords": near})["values"]
    assert np.abs(first - second).max() > 0.25


def test_each_signature_is_traced_once(monkeypatch, tmp_path):
    """Tracing is most of what an export takes."""
    made, traced = saved_model.make_endpoints, []

    def counted(*arguments):
        def noting(name, function):
            return lambda *inputs: traced.append(name) or function(*inputs)

        return {name: (noting(name, function), specs) for name, (function, specs) in made(*arguments).items()}

    monkeypatch.setattr(saved_model, "make_endpoints", counted)
    folder = export_saved_model(ReluMLP(units=(4,)), tmp_path)
    assert sorted(traced) == sorted(tf.saved_model.load(str(folder)).signatures)


def test_two_channels_have_no_png(served):
    field, signatures = served("siren", channels=2)
    assert set(signatures) == {"serving_default", "gradient", "laplacian", "render", "info"}
    frame = {"box": BOXES[:1], "size": SIZES[:1]}
    expected = np.clip(field.sample_grid(*SIZES[0], BOXES[0]), 0, 1)
    np.testing.assert_allclose(caller(signatures)("render", frame)["image"], expected[None], rtol=0, atol=ATOL)


@pytest.mark.parametrize("count", [0, 1, CHUNK, CHUNK + 1])
def test_any_number_of_points(served, count):
    field, signatures = served()
    values = caller(signatures)("serving_default", {"coords": COORDS[:count]})["values"]
    assert values.shape == (count, 3)
    np.testing.assert_allclose(values, field(COORDS[:count]), rtol=0, atol=ATOL)


def test_render_takes_several_boxes_of_one_size(served):
    field, signatures = served()
    images = caller(signatures)("render", {"box": BOXES, "size": np.int32([[6, 5]] * 3)})["image"]
    expected = np.stack([np.clip(field.sample_grid(6, 5, box), 0, 1) for box in BOXES])
    np.testing.assert_allclose(images, expected, rtol=0, atol=ATOL)


def test_the_default_box_of_render_is_the_box_in_info(served):
    field, signatures = served()
    box = np.float32([json.loads(signatures["info"](query=tf.constant([""]))["info"][0].numpy())["box"]])
    png = caller(signatures)("render_png", {"box": box, "size": np.int32([[20, 30]])})["png_bytes"][0]
    assert_same_pixels(decoded(png), field.render())


def test_weights_are_stored_once(exported):
    field, folder = exported("siren_256")
    stored = sum(path.stat().st_size for path in (folder / "variables").iterdir())
    assert 4 * field.count_params() <= stored < 4 * field.count_params() + 8192  # names and the object graph


def test_a_changed_field_leaves_an_export_as_it_was(tmp_path):
    field = small_field()
    before = field(COORDS).numpy()
    signatures = tf.saved_model.load(str(export_saved_model(field, tmp_path))).signatures
    field.stack[0].kernel.assign(field.stack[0].kernel * 2)
    np.testing.assert_allclose(caller(signatures)("serving_default", {"coords": COORDS})["values"], before, atol=ATOL)


WITHOUT_KERAS = """
import pickle, sys
sys.modules["keras"] = sys.modules["keras_inr"] = None
import tensorflow as tf
folder, inputs, outputs = sys.argv[1:]
signatures = tf.saved_model.load(folder).signatures
answers = {}
for name, feeds in pickle.load(open(inputs, "rb")).items():
    answer = signatures[name](**{alias: tf.constant(array) for alias, array in feeds.items()})
    answers[name] = {alias: tensor.numpy() for alias, tensor in answer.items()}
assert sys.modules["keras"] is None
pickle.dump(answers, open(outputs, "wb"))
"""


def test_loads_without_keras_and_keras_inr(exported, tmp_path):
    field, folder = exported("multi_hash")
    requests = {
        "serving_default": {"coords": COORDS},
        "render": {"box": BOXES[1:2], "size": SIZES[1:2]},
        "render_png": FRAMES,
        "info": {"query": np.array([b"", b"anything"])},
    }
    (tmp_path / "requests").write_bytes(pickle.dumps(requests))
    command = [sys.executable, "-c", WITHOUT_KERAS, str(folder), str(tmp_path / "requests"), str(tmp_path / "answers")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    answers = pickle.loads((tmp_path / "answers").read_bytes())
    check_answers(field, lambda name, inputs: answers[name])
    assert [json.loads(text)["psnr_db"] for text in answers["info"]["info"]] == [31.5, 31.5]


@pytest.mark.slow
@pytest.mark.parametrize("presets", MANY)
def test_every_preset_runs_in_the_cpp_session_without_xla(exported, serve, presets):
    """The loader and session of TensorFlow Serving, with XLA off, as it starts by default."""
    requests = {
        "serving_default": {"coords": COORDS},
        "render": {"box": BOXES[1:2], "size": SIZES[1:2]},
        "render_png": FRAMES,
        "info": {"query": np.array([b"", b"anything"])},
    }
    replies, _ = serve([(exported(preset)[1], list(requests.items())) for preset in presets])
    for preset, reply in zip(presets, replies, strict=True):
        answers = dict(zip(requests, reply, strict=True))
        check_answers(exported(preset)[0], lambda name, inputs, answers=answers: answers[name])
        assert [json.loads(text)["psnr_db"] for text in answers["info"]["info"]] == [31.5, 31.5]


def test_memory_does_not_grow_with_width_times_points(tmp_path, serve):
    """1024 x 1024 points through 512 units are 2.1 GB of activations unless they are cut into chunks."""
    folder = export_saved_model(ReluMLP((512,), channels=1), tmp_path)
    (replies,), peak = serve([(folder, [("render", {"box": BOXES[:1], "size": np.int32([[1024, 1024]])})])])
    assert replies[0]["image"].shape == (1, 1024, 1024, 1)
    assert peak < 1.2e9  # measured: 0.7 GB, of which 0.4 before the first point; 4.9 GB with the points in one chunk


class Compiled(ReluMLP):
    """A field whose call insists on XLA."""

    def call(self, coords):
        return tf.function(super().call, jit_compile=True)(coords)


def test_a_field_compiled_with_xla_is_refused(tmp_path):
    with pytest.raises(ValueError, match="could not run this field: a function is compiled with XLA"):
        export_saved_model(Compiled((8,)), tmp_path / "base")
    assert not (tmp_path / "base").exists()


@pytest.mark.slow
def test_a_field_compiled_with_xla_fails_in_the_cpp_session(tmp_path, serve, monkeypatch):
    """The control: what lint refuses does load, and then fails every call."""
    monkeypatch.setattr(saved_model, "lint_saved_model", lambda folder: [])
    folder = export_saved_model(Compiled((8,)), tmp_path)
    replies, _ = serve([(folder, [("serving_default", {"coords": COORDS})])])
    assert "XLA compilation disabled" in replies[0][0]


def test_a_failing_lint_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(saved_model, "lint_saved_model", lambda folder: ["first", "second"])
    with pytest.raises(ValueError, match="could not run this field: first; second"):
        export_saved_model(small_field(), tmp_path)
    assert os.listdir(tmp_path) == []


def test_a_full_disk_leaves_nothing(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    field = small_field()
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))  # Python ignores the signal that comes with it
    try:
        with pytest.raises(OSError, match=rf"{tmp_path} must not become so large here"):
            export_saved_model(field, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert os.listdir(tmp_path) == []


KILLED = """
import sys, time
import keras_inr.export.saved_model as saved_model
from keras_inr.models import Siren
saved_model.replay = lambda *arguments: (print("written", flush=True), time.sleep(600))
saved_model.export_saved_model(Siren(units=(8,)), sys.argv[1])
"""


@pytest.mark.slow
def test_kill_9_leaves_no_version(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment) as process:
        assert process.stdout.readline() == b"written\n"
        process.send_signal(signal.SIGKILL)
    (left,) = os.listdir(tmp_path)
    assert left.startswith("tmp.")
    assert (tmp_path / left / "saved_model.pb").exists()
    assert export_saved_model(small_field(), tmp_path) == tmp_path / "1"
    assert sorted(os.listdir(tmp_path)) == ["1", left]


def test_exports_are_silent(tmp_path, capfd):
    export_saved_model(small_field(), tmp_path)
    output = capfd.readouterr()
    assert output.out == ""
    assert "INFO" not in output.err


def test_a_field_that_is_not_finite_is_refused(tmp_path):
    field = small_field()
    field.stack[0].kernel.assign(field.stack[0].kernel * np.nan)
    with pytest.raises(ValueError, match="field must give finite values to be exported, received NaN or infinity"):
        export_saved_model(field, tmp_path / "base")
    assert not (tmp_path / "base").exists()


def test_stacked_fields_are_refused(tmp_path):
    with pytest.raises(ValueError, match="single field to be exported, received num_fields=3"):
        export_saved_model(small_field("relu", num_fields=3), tmp_path / "base")
    assert not (tmp_path / "base").exists()


def test_other_models_are_refused(tmp_path):
    with pytest.raises(TypeError, match=r"field must be a keras_inr\.models\.Field, received 'siren'"):
        export_saved_model("siren", tmp_path / "base")


BAD_ARGUMENTS = [
    ({"version": 0}, "version must be a positive integer, received 0"),
    ({"max_pixels": 0}, "max_pixels must be a positive integer, received 0"),
    ({"chunk": 1.5}, "chunk must be a positive integer, received 1.5"),
    ({"info": {"psnr_db": float("inf")}}, "info must be strict JSON, received psnr_db=inf"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD_ARGUMENTS, ids=str)
def test_bad_arguments_are_refused_before_anything_is_written(tmp_path, arguments, message):
    with pytest.raises(ValueError, match="received") as error:
        export_saved_model(small_field(), tmp_path / "base", **arguments)
    assert str(error.value).startswith(message)
    assert not (tmp_path / "base").exists()
