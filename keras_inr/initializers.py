"""Initialisation rules and schemes: how a coordinate network's weights are drawn, as data."""

import dataclasses
import math

import keras
import numpy as np

DISTRIBUTIONS = ("uniform", "normal", "evenly_spaced", "zeros")


@dataclasses.dataclass(frozen=True)
class Rule:
    """One weight's distribution, its scale s = gain * fan_in**fan_in_power * omega_0**omega_power.

    Args:
        distribution: "uniform" draws from U(-s, s), "normal" from N(0, s^2), "evenly_spaced" puts the last axis'
            entries at equal distances from -s to s, "zeros" ignores the scale.
        gain, fan_in_power, omega_power: see the formula.

    Raises:
        ValueError: for another distribution or a gain that is negative or not finite.

    >>> round(Rule("uniform", gain=6**0.5, fan_in_power=-0.5, omega_power=-1).scale(fan_in=256, omega_0=30.0), 6)
    0.005103
    """

    distribution: str
    gain: float = 1.0
    fan_in_power: float = 0.0
    omega_power: float = 0.0

    def __post_init__(self):
        if self.distribution not in DISTRIBUTIONS:
            raise ValueError(f"distribution must be one of {DISTRIBUTIONS}, received {self.distribution!r}")
        if not (math.isfinite(self.gain) and self.gain >= 0):
            raise ValueError(f"gain must be finite and not negative, received {self.gain!r}")

    def scale(self, fan_in, omega_0):
        """Half-width of the uniform rule, standard deviation of the normal one."""
        return self.gain * fan_in**self.fan_in_power * omega_0**self.omega_power


@dataclasses.dataclass(frozen=True)
class Scheme:
    """How a sine network is initialised and scaled: omega_0, the inputs' divisor, and a rule for each weight.

    A bias rule of None means that those layers have no bias. Pass a scheme of your own wherever a name is taken:

    >>> mine = dataclasses.replace(get_scheme("paper"), name="mine", omega_0=20.0, hidden_bias=None)
    >>> mine.omega_0, get_scheme("init-33").input_scale
    (20.0, 0.57793)

    Args:
        name: how the scheme is shown; only the package's own names resolve as strings.
        omega_0: radians per unit of pre-activation in sin(omega_0 * (x W + b)), > 0.
        input_scale: coordinates are divided by it before the first layer, > 0.
        first_kernel, hidden_kernel, head_kernel: `Rule`s.
        first_bias, hidden_bias, head_bias: `Rule`s or None.

    Raises:
        ValueError: for a number that is not finite and positive; TypeError: for what is not a `Rule`.
    """

    name: str
    omega_0: float
    input_scale: float
    first_kernel: Rule
    first_bias: Rule | None
    hidden_kernel: Rule
    hidden_bias: Rule | None
    head_kernel: Rule
    head_bias: Rule | None

    def __post_init__(self):
        for name in ("omega_0", "input_scale"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} must be finite and positive, received {value!r}")
        for name in ("first_kernel", "first_bias", "hidden_kernel", "hidden_bias", "head_kernel", "head_bias"):
            value = getattr(self, name)
            if not isinstance(value, Rule) and not (value is None and name.endswith("bias")):
                raise TypeError(f"{name} must be a Rule{' or None' * name.endswith('bias')}, received {value!r}")

    def get_config(self):
        """JSON-serialisable form; the inverse of `from_config`."""
        return dataclasses.asdict(self)

    @classmethod
    def from_config(cls, config):
        """A scheme from what `get_config` returned."""
        rules = {key: Rule(**value) for key, value in config.items() if isinstance(value, dict)}
        return cls(**{**config, **rules})


_UNIFORM_FAN_IN = Rule("uniform", fan_in_power=-0.5)
_SIREN_HIDDEN = Rule("uniform", gain=math.sqrt(6), fan_in_power=-0.5, omega_power=-1)
HE_NORMAL = Rule("normal", gain=math.sqrt(2), fan_in_power=-0.5)
ZEROS = Rule("zeros")

_SCHEMES = {
    scheme.name: scheme
    for scheme in (
        # Sitzmann et al. 2020, as their code has it (the paper's text gives sqrt(6 / fan_in) for the first layer too);
        # the biases are PyTorch's default, which the paper leaves open.
        Scheme(
            name="paper",
            omega_0=30.0,
            input_scale=1.0,
            first_kernel=Rule("uniform", fan_in_power=-1),
            first_bias=_UNIFORM_FAN_IN,
            hidden_kernel=_SIREN_HIDDEN,
            hidden_bias=_UNIFORM_FAN_IN,
            head_kernel=_SIREN_HIDDEN,
            head_bias=_UNIFORM_FAN_IN,
        ),
        # Experiment 33 of pugh_torch's experiments/siren. Its bias divisor is omega_0 / 2, which is 15 at omega_0 = 30
        # and is kept at 15 here, so that omega_0 can be changed alone.
        Scheme(
            name="init-33",
            omega_0=30.0,
            input_scale=0.57793,
            first_kernel=Rule("normal", fan_in_power=-1),
            first_bias=Rule("uniform", gain=1 / 15, fan_in_power=-0.5),
            hidden_kernel=_SIREN_HIDDEN,
            hidden_bias=Rule("uniform", gain=1 / 15, fan_in_power=-0.5),
            head_kernel=_UNIFORM_FAN_IN,
            head_bias=_UNIFORM_FAN_IN,
        ),
        # descent's examples/image_fit: omega is folded into the first kernel, sin(x W + b) everywhere.
        Scheme(
            name="descent",
            omega_0=1.0,
            input_scale=1.0,
            first_kernel=Rule("uniform", gain=30 * math.sqrt(6), fan_in_power=-0.5),
            first_bias=Rule("uniform"),
            hidden_kernel=_SIREN_HIDDEN,
            hidden_bias=Rule("uniform"),
            head_kernel=HE_NORMAL,
            head_bias=ZEROS,
        ),
    )
}


def list_schemes():
    """Names that `get_scheme` knows.

    >>> list_schemes()
    ['paper', 'init-33', 'descent']
    """
    return list(_SCHEMES)


def get_scheme(scheme):
    """The scheme behind a name, a `Scheme`, or a scheme's config.

    Raises:
        ValueError: for an unknown name; TypeError: for anything else.

    >>> get_scheme("descent").omega_0
    1.0
    """
    if isinstance(scheme, Scheme):
        return scheme
    if isinstance(scheme, dict):
        return Scheme.from_config(scheme)
    if not isinstance(scheme, str):
        raise TypeError(f"scheme must be a name, a Scheme or its config, received {scheme!r}")
    if scheme not in _SCHEMES:
        raise ValueError(f"scheme must be one of {list_schemes()} or a Scheme, received {scheme!r}")
    return _SCHEMES[scheme]


def scheme_config(scheme):
    """What a layer's `get_config` stores: the name of one of the package's own schemes, else the scheme's config.

    >>> scheme_config("paper")
    'paper'
    """
    scheme = get_scheme(scheme)
    return scheme.name if _SCHEMES.get(scheme.name) == scheme else scheme.get_config()


def derive_seed(seed, *place):
    """A seed for one weight, a pure function of the model's seed and the weight's place; None stays None.

    >>> derive_seed(0, 1) == derive_seed(0, 1) != derive_seed(0, 2)
    True
    """
    if seed is None:
        return None
    if seed < 0:
        raise ValueError(f"seed must not be negative, received {seed!r}")
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

    def __init__(self, rule, omega_0=1.0, fan_in=None, seed=None):
        self.rule = Rule(**rule) if isinstance(rule, dict) else rule
        self.omega_0 = omega_0
        self.fan_in = fan_in
        self.seed = seed

    def __call__(self, shape, dtype=None):
        if self.fan_in is None and len(shape) < 2:
            raise ValueError(f"fan_in must be given for a shape of fewer than two axes, received shape {tuple(shape)}")
        scale = self.rule.scale(shape[-2] if self.fan_in is None else self.fan_in, self.omega_0)
        dtype = keras.backend.standardize_dtype(dtype)
        if self.rule.distribution == "uniform":
            return keras.random.uniform(shape, -scale, scale, dtype=dtype, seed=self.seed)
        if self.rule.distribution == "normal":
            return keras.random.normal(shape, 0.0, scale, dtype=dtype, seed=self.seed)
        if self.rule.distribution == "zeros":
            return keras.ops.zeros(shape, dtype=dtype)
        spaced = np.linspace(-scale, scale, shape[-1]) if shape[-1] > 1 else np.zeros(1)
        return keras.ops.convert_to_tensor(np.broadcast_to(spaced, shape), dtype=dtype)

    def get_config(self):
        return {
            "rule": dataclasses.asdict(self.rule),
            "omega_0": self.omega_0,
            "fan_in": self.fan_in,
            "seed": self.seed,
        }
