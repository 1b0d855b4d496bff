"""The networks that may be chosen for a picture, of every size and bandwidth."""

import dataclasses
import itertools
import math
from typing import Any

from keras_inr.layers.hash_encoding import HashEncoding
from keras_inr.models.field import Field
from keras_inr.models.multi_hash import MultiHash
from keras_inr.models.siren import Siren
from keras_inr.signals._spectrum import cutoffs
from keras_inr.signals.image import ImageSignal

MODELS = {"multi_hash": MultiHash, "siren_256": Siren}
BANDS_DB = tuple(range(60, 20, -5))
"""PSNRs that a network's bandwidth can be made for, the widest first."""

LOG_ENTRIES = tuple(range(5, 19))
MOST_OMEGA_0 = 60.0
WIDTHS = (8, 12, 16, 24, 32, 48, 64, 96, 128)


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A network that may be chosen.

    Attributes:
        family: "hash" or "sine", whose measured fits tell what to expect.
        preset, arguments: for `from_preset`.
        learning_rate: for `fit`.
        band_db: the PSNR that its bandwidth is made for.
    """

    family: str
    preset: str
    arguments: dict[str, Any]
    learning_rate: float
    band_db: float

    def field(self, signal: ImageSignal, **arguments: Any) -> Field:
        """The field with fresh weights, and the rate that it is fitted with by Adam."""
        shared = {"channels": signal.channels, "picture_size": signal.size}
        field = MODELS[self.preset](**{**self.arguments, **shared, **arguments})
        field.recipes = {"adam": {"learning_rate": self.learning_rate}}
        return field

    def weights(self, channels: int) -> tuple[int, int]:
        """(numbers in tables, weights of layers), as many as the field has for a picture of so many channels.

        >>> hash_candidate(7, 100, 50).weights(channels=3)
        (1428, 563)
        """
        table, inputs = 0, 2
        if self.family == "hash":
            encoding = HashEncoding(**{name: value for name, value in self.arguments.items() if name != "units"})
            table = sum(encoding.num_entries) * encoding.num_features
            inputs = encoding.num_levels * encoding.num_features
        widths = (inputs, *self.arguments["units"], channels)
        return table, sum((a + 1) * b for a, b in itertools.pairwise(widths))


def candidates_for(signal: ImageSignal) -> list[Candidate]:
    """Networks of every size, each with the bandwidth that the picture needs for each of `BANDS_DB`.

    The finest cells of a grid, or omega_0 of a sine network, follow the frequency above which no more of the picture
    lies than the error of that PSNR. Where two bands come to the same network, because there is a least one, it has
    the wider of them, and where there is a greatest one, which does not reach the wider, the narrower.
    """
    found = []
    for band_db, cutoff in zip(BANDS_DB, cutoffs(signal.values, [10 ** (-db / 10) for db in BANDS_DB]), strict=True):
        reach = cutoff * max(signal.size)
        found += [hash_candidate(log_entries, reach, band_db) for log_entries in LOG_ENTRIES]
        found += [sine_candidate(width, reach, band_db) for width in WIDTHS]
    kept = {}
    for candidate in found:
        if candidate.arguments.get("omega_0") == MOST_OMEGA_0:
            kept[str(candidate.arguments)] = candidate
        elif not oversized(candidate):
            kept.setdefault(str(candidate.arguments), candidate)
    return list(kept.values())


def oversized(candidate: Candidate) -> bool:
    """Whether a table has more entries than the finest level has vertices, so that a smaller one is no other network.

    >>> [oversized(hash_candidate(log_entries, 100, 50)) for log_entries in (14, 15)]
    [False, True]
    """
    vertices = (candidate.arguments.get("finest_resolution", math.inf) + 1) ** 2
    return candidate.arguments.get("table_size", 0) > 2 * vertices


def hash_candidate(log_entries: int, reach: float, band_db: float) -> Candidate:
    """A hash grid whose finest level has a cell for each half period of the highest frequency, `reach` of them."""
    finest = max(16, math.ceil(reach))
    width = 16 if log_entries < 8 else 32 if log_entries < 11 else 64
    arguments = {"num_levels": max(2, round(math.log2(finest / 4)) + 2), "table_size": 2**log_entries}
    arguments |= {"base_resolution": 4, "finest_resolution": finest, "units": (width, width)}
    return Candidate("hash", "multi_hash", arguments, 0.01, band_db)


def sine_candidate(width: int, reach: float, band_db: float) -> Candidate:
    """A sine network of three layers whose omega_0 grows with the frequencies that it has to reach."""
    omega_0 = round(min(max(0.2 * reach, 5.0), MOST_OMEGA_0), 1)
    arguments = {"units": (width,) * 3, "scheme": "init-33", "omega_0": omega_0}
    return Candidate("sine", "siren_256", arguments, min(0.01, 0.1 / width), band_db)  # wider layers: smaller steps
