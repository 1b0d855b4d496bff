"""Pictures as text."""

import re

import numpy as np
import pytest

from keras_inr.cli.console.terminal_pictures import (
    NO_COLOURS,
    PALETTE_COLOURS,
    TRUE_COLOURS,
    fitted_size,
    picture_lines,
    terminal_colours,
)

LEVELS = (0, 95, 135, 175, 215, 255)
PALETTE = {
    16 + 36 * r + 6 * g + b: (LEVELS[r], LEVELS[g], LEVELS[b]) for r in range(6) for g in range(6) for b in range(6)
}
PALETTE |= {232 + i: (8 + 10 * i,) * 3 for i in range(24)}  # xterm's 256 colours without the first 16


@pytest.fixture
def picture():
    return np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)


def shown(lines, code):
    """The colours (rows, columns, 2, 3) that lines set, (upper, lower); NaN for the terminal's own."""
    rows = []
    for line in lines:
        assert line.endswith("\x1b[0m")
        cells = line.removesuffix("\x1b[0m").split("▀")[:-1]
        upper = [re.search(rf"\x1b\[38;{code}m", cell) for cell in cells]
        lower = [re.search(rf"\x1b\[48;{code}m", cell) for cell in cells]
        rows.append([[_numbers(u), _numbers(w)] for u, w in zip(upper, lower, strict=True)])
    return np.array(rows)


def _numbers(match):
    if match is None:
        return (np.nan,) * 3
    numbers = tuple(map(int, match.groups()))
    return PALETTE[numbers[0]] if len(numbers) == 1 else numbers


def test_true_colour_shows_every_pixel(picture):
    colours = shown(picture_lines(picture, TRUE_COLOURS), r"2;(\d+);(\d+);(\d+)")
    assert colours.shape == (3, 7, 2, 3)
    np.testing.assert_array_equal(colours[:, :, 0], picture[::2])
    np.testing.assert_array_equal(colours[:2, :, 1], picture[1::2])
    assert np.isnan(colours[2, :, 1]).all()  # below an odd last row


def test_the_palette_s_nearest_colour(picture):
    colours = shown(picture_lines(picture, PALETTE_COLOURS), r"5;(\d+)")
    table = np.array(list(PALETTE.values()))
    distance = np.sum((picture[::2, :, None].astype(int) - table) ** 2, axis=-1).min(axis=-1)
    np.testing.assert_array_equal(np.sum((picture[::2] - colours[:, :, 0]) ** 2, axis=-1), distance)


def test_grey_needs_no_colours():
    ramp = np.linspace(0, 255, 10).round().astype(np.uint8)
    lines = picture_lines(np.repeat(ramp[None, :, None], 2, axis=0), NO_COLOURS)
    assert lines == [" .:-=+*#%@"]


def test_grey_is_the_luma_of_two_rows():
    picture = np.zeros((3, 2, 3), np.uint8)
    picture[0, 0] = (255, 255, 255)  # the mean of white and black
    picture[2, 1] = (0, 255, 0)  # 0.587, an odd last row alone
    assert picture_lines(picture, NO_COLOURS) in (["= ", " +"], ["+ ", " +"])


@pytest.mark.parametrize("colours", [TRUE_COLOURS, PALETTE_COLOURS, NO_COLOURS])
def test_one_channel_is_grey(colours):
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4, 1) * 20
    assert picture_lines(grey, colours) == picture_lines(np.repeat(grey, 3, axis=2), colours)


@pytest.mark.parametrize(
    ("height", "width", "columns", "rows", "expected"),
    [
        (10, 10, 80, 24, (10, 10)),
        (300, 451, 80, 24, (48, 72)),
        (300, 451, 40, 24, (26, 40)),
        (48, 48, 80, 24, (48, 48)),
        (1000, 1, 80, 10, (20, 1)),
        (1, 1000, 80, 10, (1, 80)),
        (300, 451, 1, 1, (1, 1)),
    ],
)
def test_size(height, width, columns, rows, expected):
    assert fitted_size(height, width, columns, rows) == expected


@pytest.mark.parametrize(
    ("environment", "num_colours", "encoding", "expected"),
    [
        ({"COLORTERM": "truecolor"}, 8, "utf-8", TRUE_COLOURS),
        ({"COLORTERM": "24bit"}, 256, "utf-8", TRUE_COLOURS),
        ({}, 2**24, "utf-8", TRUE_COLOURS),
        ({}, 256, "utf-8", PALETTE_COLOURS),
        ({"COLORTERM": "yes"}, 256, "utf-8", PALETTE_COLOURS),
        ({}, 8, "utf-8", NO_COLOURS),
        ({}, -1, "utf-8", NO_COLOURS),
        ({"COLORTERM": "truecolor", "NO_COLOR": "1"}, 256, "utf-8", NO_COLOURS),
        ({"COLORTERM": "truecolor"}, 256, "ascii", NO_COLOURS),
        ({"COLORTERM": "truecolor"}, 256, "no such", NO_COLOURS),
    ],
)
def test_what_a_terminal_can_show(environment, num_colours, encoding, expected):
    assert terminal_colours(environment, num_colours, encoding) == expected
