"""What a fit is for."""

import dataclasses
import re
from typing import Self

from keras_inr.errors import InputError

UNITS = {"db": ("dB", 1), "kb": ("kB", 1), "mb": ("kB", 1000), "s": ("s", 1)}
MOST = {"dB": 150.0, "kB": 1e9, "s": 1e6}
"""The most that a goal may be: float32 has no more dB, and more would be no run of anyone's."""


@dataclasses.dataclass(frozen=True)
class Goal:
    """What a fit is for: a PSNR in dB over all pixels, a size of model.keras in kB (1000 bytes), or seconds of it.

    >>> str(Goal.parse("40dB")), str(Goal.parse(" 30 s")), str(Goal.parse("5MB"))
    ('40 dB', '30 s', '5000 kB')
    """

    amount: float
    unit: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """A goal from text such as 40dB, 50kB, 5MB, 30s.

        Raises:
            InputError: for anything else, and for more than 150 dB.
        """
        pattern = r"\s*([0-9]+\.?[0-9]*|\.[0-9]+)\s*([A-Za-z]+)\s*"
        match = re.fullmatch(pattern, text) if isinstance(text, str) else None
        unit, factor = UNITS.get(match[2].lower(), (None, 1)) if match else (None, 1)
        if match is None or unit is None:
            allowed = "a number with dB, kB, MB or s behind it, such as 40dB"
            raise InputError(f"goal must be {allowed}, received {text!r}")
        if not 0 < float(match[1]) * factor <= MOST[unit]:
            raise InputError(f"goal must be above 0 and at most {MOST[unit]:g} {unit}, received {text!r}")
        return cls(float(match[1]) * factor, unit)

    def __str__(self) -> str:
        return f"{self.amount:g} {self.unit}"
