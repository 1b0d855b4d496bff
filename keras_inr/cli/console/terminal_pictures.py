"""Pictures as lines of text for a terminal: two pixels a character, in true colour, 256 colours or ASCII grey."""

from collections.abc import Mapping

import numpy as np

from keras_inr.signals.luma import luma

TRUE_COLOURS, PALETTE_COLOURS, NO_COLOURS = 2**24, 256, 0
CUBE = np.array([0, 95, 135, 175, 215, 255])
GREYS = np.arange(8, 248, 10)
DARK_TO_BRIGHT = " .:-=+*#%@"
RESET = "\x1b[0m"


def fitted_size(height: int, width: int, columns: int, rows: int) -> tuple[int, int]:
    """(height, width) at which a picture is shown in so many character cells: its own, or the largest that fits.

    A cell is one pixel wide and two pixels high.

    >>> fitted_size(300, 450, columns=90, rows=20), fitted_size(10, 15, columns=90, rows=20)
    ((40, 60), (10, 15))
    """
    shrink = min(1.0, columns / width, 2 * rows / height)
    return max(1, int(height * shrink + 1e-9)), max(1, int(width * shrink + 1e-9))


def picture_lines(picture: np.ndarray, colours: int = TRUE_COLOURS) -> list[str]:
    """The lines that show a picture.

    Args:
        picture: uint8 (height, width, 1 or 3).
        colours: `TRUE_COLOURS`; `PALETTE_COLOURS`, xterm's cube of 6 x 6 x 6 and its 24 greys; or `NO_COLOURS`, the
            luma (0.299, 0.587, 0.114) as ten ASCII characters, bright on dark, without any escape sequence.

    Returns:
        List of ceil(height / 2) strings, each as wide as the picture.

    >>> picture_lines(np.array([[[0], [255]], [[0], [255]]], "uint8"), NO_COLOURS)
    [' @']
    """
    picture = np.broadcast_to(picture, (*picture.shape[:2], 3))
    if colours == NO_COLOURS:
        return _grey_lines(picture)
    code = _true_colour if colours == TRUE_COLOURS else _palette_colour
    lines = []
    for top in range(0, len(picture), 2):
        upper = [f"\x1b[38;{code(pixel)}m" for pixel in picture[top].tolist()]
        if top + 1 < len(picture):
            lower = [f"\x1b[48;{code(pixel)}m" for pixel in picture[top + 1].tolist()]
        else:
            lower = [""] * len(upper)  # the terminal's own background
        lines.append("".join(f"{above}{below}▀" for above, below in zip(upper, lower, strict=True)) + RESET)
    return lines


def terminal_colours(environment: Mapping[str, str], num_colours: int, encoding: str) -> int:
    """How a terminal can show pictures.

    Args:
        environment: dict of its variables, of which NO_COLOR and COLORTERM count.
        num_colours: what the data base of terminals says it has.
        encoding: of what is written to it, such as "utf-8".

    Returns:
        `TRUE_COLOURS`, `PALETTE_COLOURS` or `NO_COLOURS`.

    >>> terminal_colours({"COLORTERM": "truecolor"}, 256, "utf-8")
    16777216
    """
    try:
        "▀".encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return NO_COLOURS
    if environment.get("NO_COLOR"):
        return NO_COLOURS
    if environment.get("COLORTERM") in ("truecolor", "24bit") or num_colours >= TRUE_COLOURS:
        return TRUE_COLOURS
    return PALETTE_COLOURS if num_colours >= PALETTE_COLOURS else NO_COLOURS


def _grey_lines(picture):
    grey = luma(picture)
    rows = [grey[top : top + 2].mean(axis=0) for top in range(0, len(grey), 2)]
    steps = [np.rint(row / 255 * (len(DARK_TO_BRIGHT) - 1)).astype(int) for row in rows]
    return ["".join(DARK_TO_BRIGHT[step] for step in row) for row in steps]


def _true_colour(pixel):
    return "2;{};{};{}".format(*pixel)


def _palette_colour(pixel):
    """The nearer of the nearest colour in the cube and the nearest grey."""
    pixel = np.array(pixel)
    place = np.argmin(np.abs(CUBE - pixel[:, None]), axis=1)
    grey = int(np.argmin(np.abs(GREYS - pixel.mean())))
    in_cube, in_greys = (np.sum((pixel - colour) ** 2) for colour in (CUBE[place], GREYS[grey]))
    return f"5;{232 + grey if in_greys < in_cube else 16 + int(place @ (36, 6, 1))}"
