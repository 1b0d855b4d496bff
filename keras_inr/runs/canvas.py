"""White pages measured in pixels, with a header, that become PNG files: what the figures of a run are drawn on."""

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import matplotlib
import matplotlib.style
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, get_font

from keras_inr.rendering.png import save_png

INK, GREY = "#1a1a1a", "#5c5c5c"
# A power of two: pixels / DPI * DPI is then exact, where Matplotlib would truncate to one pixel less.
DPI = 128

# Matplotlib shares its parser of mathematical text (tick labels) between figures, and that is not thread-safe.
_drawing = threading.Lock()


def blank_figure(width: int, height: int) -> Figure:
    """A Matplotlib figure of width x height pixels that no global state knows of.

    >>> rasterized(blank_figure(300, 200)).shape
    (200, 300, 3)
    """
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor="white", edgecolor="white")
    FigureCanvasAgg(figure)
    return figure


def headed_figure(
    width: int, height: int, title: str, figures: Sequence[str], size: int, margin: int
) -> tuple[Figure, int]:
    """A blank figure with `header_lines` at its top, between margins.

    Args:
        width: of the page, in pixels.
        height: pixels below the head, whose own height comes on top.
        title, figures, size: as in `header_lines`.
        margin: pixels left, right and above.

    Returns:
        (figure, where the head ends, in pixels from the top: the margin if there is nothing to say).

    >>> figure, top = headed_figure(400, 300, "chelsea", ["38.2 dB"], 16, 10)
    >>> top, int(figure.bbox.height)
    (33, 333)
    """
    lines, pitch = header_lines(title, figures, size, width - 2 * margin), round(1.45 * size)
    top = margin + pitch * (1 + lines[-1][0] if lines else 0)
    figure = blank_figure(width, top + height)
    for row, align, text, fontproperties, colour in lines:
        x = margin if align == "left" else width - margin
        draw_text(figure, x, margin + pitch * row + 0.75 * size, text, align, fontproperties, colour)
    return figure, top


def rasterized(figure: Figure) -> np.ndarray:
    """What is drawn on the figure, as a uint8 array (height, width, 3) of its own."""
    canvas = cast(FigureCanvasAgg, figure.canvas)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def write_png(path: str | os.PathLike[str], draw: Callable[[], np.ndarray]) -> None:
    """Writes the picture that `draw()` returns, uint8 (height, width, 3), to a PNG, replacing the file atomically.

    One thread draws at a time, in Matplotlib's own style: a person's, such as text set by LaTeX, is put aside and comes
    back. Equal pictures give equal bytes under one version of Pillow.
    """
    with _drawing, matplotlib.style.context("default"):
        pixels = draw()
    save_png(Path(path), pixels, DPI)


def font(size: int, bold: bool = False) -> FontProperties:
    """DejaVu Sans, which Matplotlib brings along, at a height in pixels.

    >>> font(16).get_name()
    'DejaVu Sans'
    """
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return FontProperties(fname=Path(matplotlib.get_data_path(), "fonts", "ttf", name), size=size * 72 / DPI)


def text_width(text: str, size: int, bold: bool = False) -> float:
    """Width of a line of text in pixels.

    >>> 50 < text_width("PSNR 38.2", 16) < 100
    True
    """
    return RendererAgg(1, 1, DPI).get_text_width_height_descent(text, font(size, bold), ismath=False)[0]


def drawable(text: object) -> str:
    """The text in one line, with U+FFFD for what the font lacks, where Matplotlib would warn.

    >>> drawable("a\\tb 写")
    'a b �'
    """
    glyphs = get_font(cast(str, font(16).get_file()))
    return "".join(c if glyphs.get_char_index(ord(c)) else "\ufffd" for c in " ".join(str(text).split()))


def header_lines(
    title: str, figures: Sequence[str], size: int, width: float
) -> list[tuple[int, str, str, FontProperties, str]]:
    """Lays out a bold title on the left and figures, joined by dots, on the right of a page's head.

    They go below one another, and the figures into several lines, where the width asks for it; what does not fit
    even alone in a line loses its middle.

    Args:
        title: text, or "" for none.
        figures: short texts.
        size: height of the font in pixels.
        width: pixels between the margins.

    Returns:
        List of (row, "left" or "right", text, font, colour).

    >>> [line[:3] for line in header_lines("chelsea", ["38.2 dB", "98 s"], 16, 400)]
    [(0, 'left', 'chelsea'), (0, 'right', '38.2 dB · 98 s')]
    """
    title = _shortened(drawable(title), size, width, bold=True)
    rows: list[str] = []
    for text in (_shortened(drawable(figure), size, width) for figure in figures):
        joined = f"{rows[-1]} · {text}" if rows else text
        if rows and text_width(joined, size) <= width:
            rows[-1] = joined
        else:
            rows.append(text)
    lines = [(0, "left", title, font(size, bold=True), INK)] if title else []
    beside = lines and len(rows) == 1 and text_width(f"{title}    {rows[0]}", size, bold=True) <= width
    for row, text in enumerate(rows, start=0 if beside else len(lines)):
        lines.append((row, "right" if beside else "left", text, font(size), GREY))
    return lines


def draw_text(
    figure: Figure, x: float, y: float, text: str, align: str, fontproperties: FontProperties, colour: str
) -> None:
    """Puts a line of text at x pixels from the left and its baseline y pixels from the top."""
    width, height = figure.bbox.size
    figure.text(
        x / width, 1 - y / height, text, ha=align, va="baseline", color=colour, font=fontproperties, parse_math=False
    )


def _shortened(text, size, width, bold=False):
    kept, whole = len(text), text
    while kept and text_width(text, size, bold) > width:
        kept -= 1
        text = f"{whole[: kept - kept // 2]}…{whole[len(whole) - kept // 2 :]}"
    return text
