"""How a whole sine network is initialised, as data."""

import dataclasses
import math
from typing import Any, Self

from keras_inr.errors import InputError, InputTypeError
from keras_inr.initializers.rules import Rule


@dataclasses.dataclass(frozen=True)
class Scheme:
    """How a sine network is initialised and scaled: omega_0, the inputs' divisor, and a rule for each weight.

    A bias rule of None means that those layers have no bias. Pass a scheme of your own wherever a name is taken:

    >>> from keras_inr.initializers import get_scheme
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
        InputError: for a number that is not finite and positive; InputTypeError: for what is not a `Rule`.
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

    def __post_init__(self) -> None:
        for name in ("omega_0", "input_scale"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise InputError(f"{name} must be finite and positive, received {value!r}")
        for name in ("first_kernel", "first_bias", "hidden_kernel", "hidden_bias", "head_kernel", "head_bias"):
            value = getattr(self, name)
            if not isinstance(value, Rule) and not (value is None and name.endswith("bias")):
                raise InputTypeError(f"{name} must be a Rule{' or None' * name.endswith('bias')}, received {value!r}")

    def get_config(self) -> dict[str, Any]:
        """JSON-serialisable form; the inverse of `from_config`."""
        return dataclasses.asdict(self)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """A scheme from what `get_config` returned."""
        rules = {key: Rule(**value) for key, value in config.items() if isinstance(value, dict)}
        return cls(**{**config, **rules})
