import re

import numpy as np
import pytest

from keras_inr.layers import ComplexGaborDense, GaborDense
from layers.reference import affine, assert_as_exact_as_numpy

COORDS = np.random.default_rng(0).uniform(-1, 1, (200, 2)).astype("float32")
HIDDEN = np.random.default_rng(1).uniform(-1, 1, (200, 12)).astype("float32")


def gabor_dense(x, kernel, bias, omega_0, scale):
    z, r = np.split(affine(x, kernel, bias), 2, axis=-1)
    kind = kernel.dtype.type
    return np.cos(kind(omega_0) * z) * np.exp(-((kind(scale) * r) ** 2))


def complex_gabor_dense(x, kernel, bias, omega_0, scale, first):
    """In complex numbers, as the paper writes it."""
    if first:
        z = affine(x, kernel, bias) + 0j
    else:
        real, imaginary = np.split(x, 2, axis=-1)
        w_re, w_im = np.split(kernel, 2, axis=-1)
        b_re, b_im = np.split(bias, 2, axis=-1)
        z = (real + 1j * imaginary) @ (w_re + 1j * w_im) + (b_re + 1j * b_im)
    wave = np.exp(1j * omega_0 * z - np.abs(scale * z) ** 2)
    return np.concatenate([wave.real, wave.imag], axis=-1).astype(kernel.dtype)


@pytest.mark.parametrize(("omega_0", "scale"), [(5.0, 2.0), (20.0, 10.0)])
def test_real_formula(omega_0, scale):
    layer = GaborDense(24, omega_0, scale, seed=0)
    outputs = layer(HIDDEN)
    assert_as_exact_as_numpy(outputs, gabor_dense, HIDDEN, *(w.numpy() for w in layer.weights), omega_0, scale)


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize(("omega_0", "scale"), [(5.0, 2.0), (20.0, 10.0)])
def test_complex_formula(first, omega_0, scale):
    layer = ComplexGaborDense(24, omega_0, scale, first=first, seed=0)
    inputs = COORDS if first else HIDDEN
    outputs = layer(inputs)
    weights = [w.numpy() for w in layer.weights]
    assert_as_exact_as_numpy(outputs, complex_gabor_dense, inputs, *weights, omega_0, scale, first)
    assert all(w.dtype.kind == "f" for w in weights)


def test_complex_parts_start_each_as_pytorchs_do():
    layer = ComplexGaborDense(4000, seed=0)
    layer.build((None, 18))  # 9 complex inputs
    for part in np.split(layer.kernel.numpy(), 2, axis=-1):
        # the largest of 36000 draws
        assert (1 - 10 / 36_000) / 3 < np.abs(part).max() <= 1 / 3 * (1 + 2**-23)


def test_complex_inputs_come_in_pairs():
    with pytest.raises(ValueError, match=re.escape("real and imaginary parts, received (None, 5)")):
        ComplexGaborDense(8).build((None, 5))


@pytest.mark.parametrize("cls", [GaborDense, ComplexGaborDense])
@pytest.mark.parametrize("name", ["omega_0", "scale"])
@pytest.mark.parametrize("value", [-1, 0.0, 1.5e6, 1e30])
def test_arguments_out_of_range(cls, name, value):
    with pytest.raises(ValueError, match=f"^{re.escape(f'{name} must be in (0, 1e+06], received {value!r}')}$"):
        cls(8, **{name: value})
