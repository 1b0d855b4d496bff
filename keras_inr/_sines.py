"""Sine and cosine of phases: TensorFlow's own, or polynomials where XLA compiles a training step for CPUs.

XLA's sine for CPUs takes four times as long as TensorFlow's and keeps everything around it from being fused; the
polynomial takes a quarter of that of TensorFlow. Without XLA it would be a dozen passes over memory.
"""

import math
from collections.abc import Callable

import tensorflow as tf

from keras_inr._cpu_xla import is_cpu_xla
from keras_inr._custom_gradients import custom_gradient

PI_PARTS = (3.140625, 9.67502593994140625e-4, 1.509957990978376432e-7)
"""pi as a sum: products of the first two with integers below 2^13 are exact in float32 (Cody and Waite 1980)."""

COEFFICIENTS = (-0.16666659712791443, 0.00833306647837162, -0.00019809602235909551, 2.605780537123792e-06)
"""sin(r) = r + r^3 (c_0 + c_1 r^2 + ...) on [-pi/2, pi/2] with the least relative error, 6e-9, for this length."""

LONGEST = 1.5709
"""A little above pi/2, where rounding may put the rest of a phase."""


def sin_of(phases: tf.Tensor) -> tf.Tensor:
    """sin(phases), a tensor in radians; a polynomial for float32 within `keras_inr._cpu_xla.cpu_xla`.

    As a polynomial it is within 1.3e-7 of the truth up to 3000 radians and within 4e-6 up to 3 10^4, where steps of
    float32 are 2e-3; beyond, it is somewhere in [-1, 1]. Differentiable to every order.

    >>> from keras_inr._cpu_xla import cpu_xla
    >>> with cpu_xla():
    ...     print(sin_of(tf.constant([0.0, math.pi / 6, 1000.0])).numpy().round(6).tolist())
    [0.0, 0.5, 0.8268799781799316]
    """
    return _sin(phases) if is_polynomial(phases) else tf.sin(phases)


def cos_of(phases: tf.Tensor) -> tf.Tensor:
    """cos(phases), see `sin_of`."""
    return _cos(phases) if is_polynomial(phases) else tf.cos(phases)


def is_polynomial(phases: tf.Tensor) -> bool:
    """Whether `sin_of` and `cos_of` of the tensor are polynomials here."""
    return is_cpu_xla() and phases.dtype == tf.float32


@custom_gradient
def _sin(phases: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
    return _half_waves(phases, 0.0), lambda upstream: upstream * _cos(phases)


@custom_gradient
def _cos(phases: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
    return -_half_waves(phases, 0.5), lambda upstream: -upstream * _sin(phases)


def _half_waves(phases: tf.Tensor, shift: float) -> tf.Tensor:
    """(-1)^k sin(r) for phases = (k + shift) pi + r, r in [-pi/2, pi/2]: sin for shift 0, -cos for 1/2."""
    k = tf.round(phases * (1 / math.pi) - shift)
    r = phases
    for part in PI_PARTS:
        r = r - (k + shift) * part
    r = tf.clip_by_value(r, -LONGEST, LONGEST)  # of phases so large that nothing is known, a number in [-1, 1] as well
    square = r * r
    series = COEFFICIENTS[-1]
    for coefficient in COEFFICIENTS[-2::-1]:
        series = series * square + coefficient
    odd = k - 2 * tf.floor(k / 2)
    return (r + r * square * series) * (1 - 2 * odd)
