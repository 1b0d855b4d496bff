"""What every network of a comparison may spend."""

import dataclasses
import math
import re
from collections.abc import Iterable
from typing import Any

from keras_inr._arguments import positive_int
from keras_inr.errors import InputError

DEFAULT_STEPS = 2000
PREFIXES = {"": 1, "k": 1e3, "M": 1e6}
_WRITTEN = re.compile(r"([0-9.]+)\s*(k|M|)(steps?|s|parameters?)")


@dataclasses.dataclass(frozen=True)
class Budget:
    """What every network of a comparison may spend: steps or seconds, and perhaps weights.

    Args:
        steps: of each fit; 2000 where neither steps nor seconds are given.
        seconds: of training of each fit, by the pace of a pilot; give one of steps and seconds.
        parameters: weights that each network is brought to; None leaves networks as they are.

    Raises:
        InputError: for numbers that are not above zero, or both steps and seconds.

    >>> Budget.parse(["30s", "50kparameters"])
    Budget(steps=None, seconds=30.0, parameters=50000)
    """

    steps: int | None = None
    seconds: float | None = None
    parameters: int | None = None

    def __post_init__(self) -> None:
        if self.steps is not None and self.seconds is not None:
            raise InputError(f"give one of steps and seconds, received {self.steps!r} and {self.seconds!r}")
        if self.steps is None and self.seconds is None:
            object.__setattr__(self, "steps", DEFAULT_STEPS)
        for name in ("steps", "parameters"):
            if getattr(self, name) is not None:
                positive_int(name, getattr(self, name))
        if self.seconds is not None and not (math.isfinite(self.seconds) and self.seconds > 0):
            raise InputError(f"seconds must be above 0, received {self.seconds!r}")

    @classmethod
    def parse(cls, texts: Iterable[str]) -> "Budget":
        """The budget of texts such as "2000steps", "30s", "50kparameters"; one of each kind at most."""
        found: dict[str, Any] = {}
        for text in texts:
            match = _WRITTEN.fullmatch(text.strip())
            try:
                amount = float(match[1]) * PREFIXES[match[2]] if match else math.nan
            except ValueError:
                amount = math.nan
            if match is None or math.isnan(amount):
                allowed = "2000steps, 30s or 50kparameters, with commas between them"
                raise InputError(f"budget must be such as {allowed}, received {text!r}")
            name = {"s": "seconds", "step": "steps", "parameter": "parameters"}.get(match[3], match[3])
            if name in found:
                raise InputError(f"budget must name {name} once, received {found[name]:g} and {amount:g}")
            if name != "seconds" and amount != int(amount):
                raise InputError(f"budget must have whole {name}, received {text!r}")
            found[name] = amount if name == "seconds" else int(amount)
        return cls(**found)

    def __str__(self) -> str:
        length = f"{self.steps} steps" if self.seconds is None else f"{self.seconds:g} s of training"
        return length if self.parameters is None else f"{length}, about {self.parameters:,} weights"
