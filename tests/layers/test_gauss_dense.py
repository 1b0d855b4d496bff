import re

import numpy as np
import pytest

from keras_inr.layers import GaussDense
from layers.reference import affine, assert_as_exact_as_numpy

HIDDEN = np.random.default_rng(1).uniform(-1, 1, (200, 64)).astype("float32")


def gauss_dense(x, kernel, bias, scale):
    return np.exp(-((kernel.dtype.type(scale) * affine(x, kernel, bias)) ** 2))


@pytest.mark.parametrize("scale", [3.0, 30.0])
def test_formula(scale):
    layer = GaussDense(64, scale, seed=0)
    outputs = layer(HIDDEN)
    assert_as_exact_as_numpy(outputs, gauss_dense, HIDDEN, *(w.numpy() for w in layer.weights), scale)


def test_weights_start_as_pytorchs_do():
    layer = GaussDense(4000, seed=0)
    layer.build((None, 16))
    for weight in layer.weights:
        # the largest of 4000 uniform draws and more is short of the bound by 1 / 4000, here at most by ten times that
        assert 0.25 * (1 - 10 / 4000) < np.abs(weight.numpy()).max() <= 0.25


@pytest.mark.parametrize("scale", [0, -1.0, float("nan"), float("inf"), "wide", 1.5e6, 1e30])
def test_scale_out_of_range(scale):
    with pytest.raises(ValueError, match=re.escape(f"scale must be in (0, 1e+06], received {scale!r}")):
        GaussDense(8, scale)
