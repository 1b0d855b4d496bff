"""The fields and requests that the export tests share, and what their answers must be."""

import pathlib

import numpy as np
import pytest
import tensorflow as tf

from keras_inr.models import from_preset

ROOT = pathlib.Path(__file__).resolve().parents[2]
MAX_PIXELS = 5000
MAX_POINTS = 1000
MAX_ROWS = 70
CHUNK = 64  # far fewer points than the tests ask for
SMALL = {
    "relu": {"units": (32, 16)},
    "relu_pe": {"units": (32, 16)},
    "siren": {"units": (32, 16)},
    "multi_hash": {"num_levels": 4, "table_size": 256, "units": (16,)},
    "siren_256": {"units": (32, 32)},
    "siren_learnt": {"units": (32, 32)},
    "finer": {"units": (32, 32), "omega_0": 10.0},
    "gauss": {"units": (32, 32), "scale": 3.0},
    "wire": {"units": (16, 16), "omega_0": 5.0, "scale": 2.0},
    "wire_real": {"units": (16, 16), "omega_0": 5.0, "scale": 2.0},
    "fourier": {"units": (32, 16), "num_frequencies": 16, "sigma": 3.0},
    "mfn_gabor": {"units": 16, "input_scale": 30.0},
    "bacon": {"units": 16},
    "dense_grid": {"num_levels": 3, "base_resolution": 4, "finest_resolution": 16, "units": (16,)},
    "hash_smooth": {"num_levels": 4, "table_size": 256, "finest_resolution": 20, "units": (16,)},
    "cell_grid": {"layout": ((6, 4.0, 2), (6, 0.5, 4)), "units": (16,)},
    "cell_grid_source": {"layout": ((6, 4.0, 2),), "units": (16,)},
    "pixel_grid": {"layout": ((24, 1.0, 2), (6, 2.0, 4)), "units": (16,)},
}
"""Presets made small: every model of the zoo, and each kind of what its call can take."""

DAILY = ("siren", "siren_256", "relu_pe", "multi_hash", "hash_smooth", "wire")
"""Those whose exports every run of the tests tries."""

EVERY = [pytest.param(name, marks=[] if name in DAILY else pytest.mark.slow) for name in SMALL]
MANY = [pytest.param(DAILY, id="daily"), pytest.param(tuple(SMALL), id="every", marks=pytest.mark.slow)]
"""For `pytest.mark.parametrize`: one preset at a time, and several at once."""


def small_field(preset="siren_256", **arguments):
    """A preset made small, with values that vary over the picture and leave [0, 1] here and there."""
    field = from_preset(preset, **{"seed": 1, "picture_size": (20, 30), **SMALL[preset], **arguments})
    for weight in field.stack[0].weights:
        if "table" in weight.name:
            weight.assign(np.random.default_rng(0).uniform(-1, 1, weight.shape))
    values = field.sample_grid(16, 16)
    *_, head, _ = field.stack
    spread = 1 / max(float(values.std()), 1e-6)
    head.kernel.assign(head.kernel * spread)
    return field


COORDS = np.random.default_rng(0).uniform(-1.1, 1.1, (2 * CHUNK + 7, 2)).astype("float32")
BOXES = np.float32([[-1, -0.6875, 1, 0.6875], [0.125, -0.25, 0.375, 0.25], [0.5, 0.5, -0.5, -0.5]])
SIZES = np.int32([[20, 30], [9, 8], [1, 70]])
FRAMES = {"box": BOXES, "size": SIZES}
ATOL = 1e-5  # the promise of the design: float32 sums in another order move values by about 1e-6


def decoded(png):
    return tf.io.decode_png(png).numpy()


def assert_same_pixels(pixels, expected):
    """Equal, but for single levels where a value lies on the edge between two."""
    difference = np.abs(pixels.astype(int) - expected.astype(int))
    assert pixels.shape == expected.shape
    assert difference.max() <= 1
    assert np.mean(difference > 0) < 0.01


def check_answers(field, call):
    """Compares what call(signature, inputs) gives with the field, for points, images and files."""
    values = call("serving_default", {"coords": COORDS})["values"]
    np.testing.assert_allclose(values, field(COORDS), rtol=0, atol=ATOL)
    assert values.dtype == np.float32
    image = call("render", {"box": BOXES[1:2], "size": SIZES[1:2]})["image"]
    expected = np.clip(field.sample_grid(*SIZES[1], BOXES[1]), 0, 1)
    assert 0 < np.mean(expected == 0) + np.mean(expected == 1) < 1, "the field must need clamping somewhere"
    np.testing.assert_allclose(image, expected[None], rtol=0, atol=ATOL)
    for png, box, size in zip(call("render_png", FRAMES)["png_bytes"], BOXES, SIZES, strict=True):
        assert_same_pixels(decoded(png), field.render(*size, box, between="field"))


def caller(signatures):
    """call(signature, inputs) over signatures loaded by `tf.saved_model.load`, with NumPy outputs."""

    def call(name, inputs):
        answer = signatures[name](**{alias: tf.constant(array) for alias, array in inputs.items()})
        return {alias: tensor.numpy() for alias, tensor in answer.items()}

    return call
