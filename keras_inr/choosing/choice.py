"""Which network, and how it is trained, for a picture and a goal."""

import dataclasses
import math
import pathlib
import tempfile
from collections.abc import Sequence
from typing import Any

from keras_inr.choosing.goal import Goal
from keras_inr.choosing.sizes import all_layouts, fresh, ladder, network, num_entries, num_parameters
from keras_inr.errors import InputError, InputTypeError
from keras_inr.models.cell_grid import Layout
from keras_inr.models.field import Field
from keras_inr.signals._mask import filled, num_counting
from keras_inr.signals.codecs import CODECS, encoded_bytes
from keras_inr.signals.image import ImageSignal

PLENTY = -3
"""The place in the `ladder` of what is taken where no quality is asked for: photographs come to 50 dB and more."""

PARAMETERS_PER_BYTE = 4.0
"""Weights for each byte of a JPEG of the goal's quality, to begin with: fewer would do, and take longer."""

DEEPER = (64, 64)
"""Widths of a network of a given size where entries are shared; elsewhere a second layer loses 1 to 3 dB."""

NARROW = (16,)
"""Where these are too many."""

STEPS_PER_EPOCH = 24
BATCHES = (512, 2**18)
"""The least and the most points in a step; between them so many that an epoch has about 24 steps."""


@dataclasses.dataclass(frozen=True)
class Choice:
    """What was chosen for a picture, and why.

    Attributes:
        arguments: of the preset "pixel_grid".
        num_parameters: how many weights it has for the picture.
        larger: layouts that it may grow to, for a goal in dB.
        recipe: arguments of a `Recipe`, without its length.
        reason: one line that explains the choice.
    """

    arguments: dict[str, Any]
    num_parameters: int
    larger: tuple[Layout, ...]
    recipe: dict[str, Any]
    reason: str


def choose(
    signal: ImageSignal,
    goal: Goal | str | None = None,
    max_parameters: int | None = None,
    compared: Sequence[str] = tuple(CODECS),
) -> Choice:
    """A pixel grid and a recipe for a picture and a goal.

    A goal in dB takes four weights for each byte that a JPEG of this quality has, a goal in kB the largest grid whose
    model.keras is no larger, and any other, or none, one of 2.4 weights for each pixel. The recipe is good at any time:
    the rate falls as 1 / step, and weights are averaged. See experiments/goals. Pixels that take no part are taken for
    the nearest ones that do.

    Args:
        signal: an `ImageSignal`.
        goal: None, a `Goal`, or its text, such as "40dB", "50kB", "30s".
        max_parameters: None, or the most weights that the network may have, and grow to.
        compared: codecs whose files the reason compares it with, of a goal in dB.

    Returns:
        A `Choice`.

    Raises:
        InputTypeError: for a signal that is none.
        InputError: for a goal that cannot be read, or a size that no network fits into.

    >>> from keras_inr.signals.image import load_image
    >>> choose(load_image("sample:camera", size=64)).arguments["layout"][0]
    (24, 1.0, 1)
    """
    goal = goal if goal is None or isinstance(goal, Goal) else Goal.parse(goal)
    if not isinstance(signal, ImageSignal):
        raise InputTypeError(f"signal must be an ImageSignal from load_image, received {type(signal).__name__}")
    most = math.inf if max_parameters is None else max_parameters
    larger: tuple[Layout, ...] = ()
    told = ""
    if goal is not None and goal.unit == "kB":
        arguments, count = _within(goal, signal, most)
    else:
        layouts = ladder(signal.size)
        counts = [num_parameters(layout, signal.size, signal.channels) for layout in layouts]
        allowed = sum(count <= most for count in counts)
        if not allowed:
            raise InputError(f"max_parameters must be at least {counts[0]} for this picture, received {max_parameters}")
        place = len(layouts) + PLENTY
        if goal is not None and goal.unit == "dB":
            place, told = _for_quality(counts, goal.amount, signal, compared)
            larger = tuple(layouts[place + 1 : allowed])
        place = min(place, allowed - 1)
        arguments, count = {"layout": layouts[place]}, counts[place]
    reason = _reason(arguments["layout"], count, signal.size, goal) + told
    return Choice(arguments, count, larger, recipe_for_any_time((1, num_counting(signal))), reason)


def recipe_for_any_time(size: Sequence[int]) -> dict[str, Any]:
    """Arguments of a `Recipe` under which a pixel grid is good whenever it is stopped.

    >>> recipe_for_any_time((512, 768))["batch_size"]
    16384
    """
    batch = 2 ** round(math.log2(size[0] * size[1] / STEPS_PER_EPOCH))
    return {
        "optimizer": "muon",
        "learning_rate": 0.1,
        "beta_2": 0.99,
        "sampling": "shuffled",
        "batch_size": min(max(batch, BATCHES[0]), BATCHES[1]),
        "schedule": "inverse",
        "hold_epochs": 4.0,
        "averaging": 4.0,
    }


def _for_quality(counts, goal_psnr_db, signal, compared):
    """(place in the ladder, what files of the quality have)."""
    values = filled(signal)
    lengths = {codec: encoded_bytes(codec, values, goal_psnr_db) for codec in dict.fromkeys(("JPEG", *compared))}
    files = " and ".join(
        f"no {codec} comes to it" if lengths[codec] is None else f"a {codec} of it has {lengths[codec] / 1000:.3g} kB"
        for codec in compared
    )
    told = f"; {files}" if files else ""
    if lengths["JPEG"] is None:
        return len(counts) + PLENTY, told
    enough = PARAMETERS_PER_BYTE * lengths["JPEG"]
    place = next((place for place, count in enumerate(counts) if count >= enough), len(counts) - 1)
    return min(place, len(counts) + PLENTY), told


def _within(goal, signal, max_parameters):
    """(arguments, weights) of the largest network whose model.keras is no larger than a goal in kB."""
    for units in (DEEPER, NARROW):

        def count(layout, units=units):
            return num_parameters(layout, signal.size, signal.channels, network(layout, units)["units"])

        def kilobytes(layout, units=units):
            return file_kb(fresh(layout, signal.size, signal.channels, **network(layout, units)))

        found = all_layouts(signal.size, units)
        least = kilobytes(found[0])
        extra = least - 0.004 * count(found[0])  # 4 bytes for each weight, and much the same for any network
        near = [layout for layout in found if 0.004 * count(layout) + extra <= goal.amount + 1]
        for layout in reversed([layout for layout in near if count(layout) <= max_parameters]):
            if kilobytes(layout) <= goal.amount:
                return {"layout": layout, **network(layout, units)}, count(layout)
    if count(found[0]) > max_parameters:
        told = f"max_parameters must be at least {count(found[0])} for this picture"
        raise InputError(f"{told}, received {max_parameters}")
    raise InputError(f"goal must be at least {math.ceil(least)} kB for this picture, received {goal}")


def file_kb(field: Field) -> float:
    """Size of the field's model.keras, in 1000 bytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "model.keras"
        field.save(path)
        return path.stat().st_size / 1000


def _reason(layout, count, size, goal):
    entries = num_entries(layout, size)[0]
    network = f"{len(layout)} levels, the finest with {layout[0][2]} for each of {entries} entries"
    why = f"for {goal}" if goal is not None else "for as much as 8 bits show"
    return f"pixel_grid ({network}; {count:,} parameters, {4e-6 * count:.2g} MB) {why} on {size[1]} x {size[0]} pixels"
