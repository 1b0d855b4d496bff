"""How one weight is drawn, as data, and the initializer that draws it."""

import dataclasses
import math
import numbers
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_inr._arguments import one_of
from keras_inr.errors import InputError

DISTRIBUTIONS = ("uniform", "normal", "evenly_spaced", "integers", "zeros")


@dataclasses.dataclass(frozen=True)
class Rule:
    """One weight's distribution, its scale s = gain * fan_in**fan_in_power * omega_0**omega_power.

    Args:
        distribution: "uniform" draws from U(-s, s), "normal" from N(0, s^2), "evenly_spaced" puts the last axis'
            entries at equal distances from -s to s, "integers" draws whole numbers from -s to s, each as likely, and
            "zeros" ignores the scale.
        gain, fan_in_power, omega_power: see the formula.

    Raises:
        InputError: for another distribution or a gain that is negative or not finite.

    >>> round(Rule("uniform", gain=6**0.5, fan_in_power=-0.5, omega_power=-1).scale(fan_in=256, omega_0=30.0), 6)
    0.005103
    """

    distribution: str
    gain: float = 1.0
    fan_in_power: float = 0.0
    omega_power: float = 0.0

    def __post_init__(self) -> None:
        one_of("distribution", self.distribution, DISTRIBUTIONS)
        if not (math.isfinite(self.gain) and self.gain >= 0):
            raise InputError(f"gain must be finite and not negative, received {self.gain!r}")

    def scale(self, fan_in: int, omega_0: float) -> float:
        """Half-width of the uniform rule, standard deviation of the normal one."""
        return self.gain * fan_in**self.fan_in_power * omega_0**self.omega_power


UNIFORM_FAN_IN = Rule("uniform", fan_in_power=-0.5)
"""PyTorch's default for kernels and biases of linear layers."""
HE_NORMAL = Rule("normal", gain=math.sqrt(2), fan_in_power=-0.5)
ZEROS = Rule("zeros")


def derive_seed(seed: int | None, *place: int) -> int | None:
    """A seed for one weight, a pure function of the model's seed and the weight's place; None stays None.

    >>> derive_seed(0, 1) == derive_seed(0, 1) != derive_seed(0, 2)
    True
    """
    if seed is None:
        return None
    if not isinstance(seed, numbers.Integral) or isinstance(seed, bool) or seed < 0:
        raise InputError(f"seed must be None or an integer that is not negative, received {seed!r}")
    return int(np.random.SeedSequence(seed, spawn_key=place).generate_state(1)[0] >> 1)


@keras.saving.register_keras_serializable(package="keras_inr")
class RuleInitializer(keras.initializers.Initializer):
    """Draws a weight by a `Rule`.

    Args:
        rule: a `Rule`, or its fields as a dict.
        omega_0: radians per unit of pre-activation, for rules that depend on it.
        fan_in: number of inputs of the layer; None reads it from shape[-2], which is right for kernels
            (in, out) and stacked ones (K, in, out). A bias needs it given.
        seed: int for repeatable draws, None for fresh ones.

    >>> RuleInitializer(Rule("evenly_spaced"), fan_in=2)((3,)).numpy().tolist()
    [-1.0, 0.0, 1.0]
    """

    def __init__(
        self, rule: Rule | dict[str, Any], omega_0: float = 1.0, fan_in: int | None = None, seed: int | None = None
    ) -> None:
        self.rule = Rule(**rule) if isinstance(rule, dict) else rule
        self.omega_0 = omega_0
        self.fan_in = fan_in
        self.seed = seed

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> tf.Tensor:
        if self.fan_in is None and len(shape) < 2:
            raise InputError(f"fan_in must be given for a shape of fewer than two axes, received shape {tuple(shape)}")
        scale = self.rule.scale(shape[-2] if self.fan_in is None else self.fan_in, self.omega_0)
        dtype = keras.backend.standardize_dtype(dtype)
        if self.rule.distribution == "uniform":
            return keras.random.uniform(shape, -scale, scale, dtype=dtype, seed=self.seed)
        if self.rule.distribution == "normal":
            return keras.random.normal(shape, 0.0, scale, dtype=dtype, seed=self.seed)
        if self.rule.distribution == "integers":
            last = math.floor(scale)
            whole = keras.random.randint(shape, -last, last + 1, dtype="int32", seed=self.seed)
            return keras.ops.cast(whole, dtype)
        if self.rule.distribution == "zeros":
            return keras.ops.zeros(shape, dtype=dtype)
        spaced = np.linspace(-scale, scale, shape[-1]) if shape[-1] > 1 else np.zeros(1)
        return keras.ops.convert_to_tensor(np.broadcast_to(spaced, shape), dtype=dtype)

    def get_config(self) -> dict[str, Any]:
        return {
            "rule": dataclasses.asdict(self.rule),
            "omega_0": self.omega_0,
            "fan_in": self.fan_in,
            "seed": self.seed,
        }
