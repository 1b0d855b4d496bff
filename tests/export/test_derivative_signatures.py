"""The signatures `gradient` and `laplacian` answer like `keras_inr.derivatives` on the field."""

import json
import pickle
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_inr.export.replay as replay
from export.small_fields import CHUNK, COORDS, EVERY, MANY, ROOT, SMALL, caller, small_field
from export.test_saved_model import WITHOUT_KERAS
from keras_inr.derivatives import differentiate, has_rules
from keras_inr.export import export_saved_model
from keras_inr.export.endpoints import PARTS, signature_names
from keras_inr.kinks import kinks_of
from keras_inr.models import Field, Siren

# of the largest: the same float32 operations in batches of other sizes, whose sums may be ordered otherwise; phases of
# some 50 radians make of it about 1e-6
RTOL = 1e-5
SMOOTH = [preset for preset in SMALL if not kinks_of(small_field(preset))]
REQUESTS = {"gradient": ("values", "jacobian"), "laplacian": ("laplacian",)}
DERIVATIVE_CHUNK = CHUNK // PARTS


def requests_of(preset):
    return [name for name in REQUESTS if name in signature_names(small_field(preset))]


def assert_derivatives(field, answers, coords=COORDS, rtol=RTOL):
    """Compares {signature: {output: array}} with the field's derivatives."""
    for name, outputs in REQUESTS.items():
        if name not in answers:
            continue
        assert set(answers[name]) == {*outputs, "valid"}
        assert np.all(answers[name]["valid"])
        for output, expected in differentiate(field, coords, outputs).items():
            answer = answers[name][output]
            assert answer.dtype == np.float32
            assert answer.shape == expected.shape
            size = np.abs(expected).max(initial=0)
            np.testing.assert_allclose(answer, expected, rtol=0, atol=rtol * size)


def ask(signatures, coords=COORDS):
    return {name: caller(signatures)(name, {"coords": coords}) for name in REQUESTS if name in signatures}


def test_both_kinds_of_presets_are_tested():
    smooth = {"siren", "siren_256", "siren_learnt", "finer", "gauss", "wire", "wire_real", "mfn_gabor", "bacon"}
    assert set(SMOOTH) == smooth | {"hash_smooth"}


@pytest.mark.parametrize("preset", EVERY)
def test_every_preset(served, preset):
    field, signatures = served(preset)
    assert_derivatives(field, ask(signatures))


@pytest.mark.parametrize("preset", EVERY)
def test_fields_with_kinks_have_no_laplacian(served, preset):
    _, signatures = served(preset)
    assert "gradient" in signatures
    assert ("laplacian" in signatures) == (preset in SMOOTH)
    listed = json.loads(signatures["info"](query=tf.constant([""]))["info"][0].numpy())["signatures"]
    assert set(listed) == set(signatures)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("preset", "arguments"),
    [
        ("siren", {"channels": 1}),
        ("siren", {"channels": 2}),
        ("multi_hash", {"interpolation": "smoothstep"}),
        ("siren", {"dtype": "float64"}),
        ("siren", {"dtype": "mixed_float16"}),
    ],
    ids=str,
)
def test_other_fields(served, preset, arguments):
    """A policy does not show: rules compute in float32 at least."""
    field, signatures = served(preset, **arguments)
    assert_derivatives(field, ask(signatures))


@pytest.mark.parametrize("count", [0, 1, DERIVATIVE_CHUNK - 1, DERIVATIVE_CHUNK, DERIVATIVE_CHUNK + 1])
def test_any_number_of_points(served, count):
    field, signatures = served()
    answers = ask(signatures, COORDS[:count])
    assert answers["gradient"]["jacobian"].shape == (count, 3, 2)
    assert answers["laplacian"]["laplacian"].shape == (count, 3)
    assert_derivatives(field, answers, COORDS[:count])


def test_chunks_of_a_single_point(tmp_path):
    field = small_field()
    signatures = tf.saved_model.load(str(export_saved_model(field, tmp_path, chunk=1))).signatures
    assert_derivatives(field, ask(signatures, COORDS[:5]), COORDS[:5])


@pytest.mark.slow
@pytest.mark.parametrize("presets", MANY)
def test_every_preset_runs_in_the_cpp_session_without_xla(exported, serve, presets):
    """The loader and session of TensorFlow Serving, with XLA off, as it starts by default."""
    replies, _ = serve(
        [(exported(preset)[1], [(name, {"coords": COORDS}) for name in requests_of(preset)]) for preset in presets]
    )
    for preset, reply in zip(presets, replies, strict=True):
        answers = dict(zip(requests_of(preset), reply, strict=True))
        assert_derivatives(exported(preset)[0], answers)


BAD_COORDS = [
    (np.zeros((5, 3), "float32"), "coords must have shape [N, 2], received [5 3]"),
    (np.zeros(2, "float32"), "coords must have shape [N, 2], received [2]"),
    (np.zeros((1, 5, 2), "float32"), "coords must have shape [N, 2], received [1 5 2]"),
    (np.zeros((1001, 2), "float32"), "coords must have at most 1000 rows, received 1001"),
]


def test_bad_requests_get_a_sentence(exported, serve):
    requests = [(name, {"coords": coords}) for coords, _ in BAD_COORDS for name in REQUESTS]
    (replies,), _ = serve([(exported()[1], requests)])
    for reply, message in zip(replies, [message for _, message in BAD_COORDS for _ in REQUESTS], strict=True):
        assert isinstance(reply, str), f"answered {reply}"
        assert reply.startswith("code 3")  # INVALID_ARGUMENT, which is 400 over REST
        assert message in " ".join(reply.split())


def test_loads_without_keras_and_keras_inr(exported, tmp_path):
    field, folder = exported()
    (tmp_path / "requests").write_bytes(pickle.dumps({name: {"coords": COORDS} for name in REQUESTS}))
    command = [sys.executable, "-c", WITHOUT_KERAS, str(folder), str(tmp_path / "requests"), str(tmp_path / "answers")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert_derivatives(field, pickle.loads((tmp_path / "answers").read_bytes()))


@pytest.mark.slow
def test_derivatives_take_no_more_memory_than_values(tmp_path, serve):
    """As many points as serving_default takes in one chunk, through 512 units."""
    folder = export_saved_model(Siren(units=(512, 512), channels=1, seed=0), tmp_path)
    coords = np.random.default_rng(0).uniform(-1, 1, (2**16, 2)).astype("float32")
    (replies,), peak = serve([(folder, [("laplacian", {"coords": coords})])])
    assert replies[0]["laplacian"].shape == (2**16, 1)
    assert peak < 1e9  # measured: 0.69 GB, as for values; 1.52 GB without the smaller chunks


class Foreign(Field):
    """A field with one of Keras's own layers, which has no rule."""

    def __init__(self, activation, **kwargs):
        super().__init__(**kwargs)
        hidden = keras.layers.Dense(8, activation, bias_initializer="random_normal")
        self.set_stack([hidden, keras.layers.Dense(self.channels)])


@pytest.mark.parametrize(("activation", "has_laplacian"), [("tanh", True), ("relu", False)])
def test_layers_without_a_rule_are_taped(tmp_path, activation, has_laplacian):
    field = Foreign(activation)
    assert not has_rules(field)
    signatures = tf.saved_model.load(str(export_saved_model(field, tmp_path))).signatures
    assert ("laplacian" in signatures) == has_laplacian
    assert_derivatives(field, ask(signatures))


@pytest.mark.parametrize("broken", ["gradient", "laplacian"])
def test_replay_notices_wrong_derivatives(exported, monkeypatch, broken):
    field, folder = exported()
    right = differentiate

    def wrong(function, coords, outputs):
        factor = 1.01 if outputs == REQUESTS[broken] else 1.0
        return {name: factor * part for name, part in right(function, coords, outputs).items()}

    monkeypatch.setattr(replay, "differentiate", wrong)
    with pytest.raises(ValueError, match=rf"'{broken}' must equal the field within \d.\de[-+]\d+, received \d.\de"):
        replay.replay(folder, field)
