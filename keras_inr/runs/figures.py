"""The two pictures of a run: training curves, and original, reconstruction and error side by side."""

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.ticker import FuncFormatter, MaxNLocator

from keras_inr.errors import InputError
from keras_inr.runs.canvas import GREY, INK, draw_text, font, headed_figure, rasterized, text_width, write_png
from keras_inr.signals.resampling import resampled

# Largest panel (height, width): three in a row or three stacked make about 4000 pixels.
IN_ROW, STACKED = (3700, 1280), (1180, 4000)
SMALLEST_IN_ROW, SMALLEST_STACKED, THINNEST = 384, 768, 32
LARGEST_FACTOR = 1024
CAPTIONS = ("original", "reconstruction")
HATCHED = ", masked pixels hatched"
STRIPE, STRIPES = 3, (0.3, 0.7)
FRAME = 190
BLUE, ORANGE, GREEN, PALE = "#2066a8", "#c8501e", "#3d8c40", "#e6e6e6"
SMOOTHED_FROM = 200
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
# The page of the curves, in pixels: the axes span x, the rest of the width is for tick labels and last values.
PAGE_WIDTH, PAGE_FONT, PAGE_MARGIN, AXES_SPAN = 1400, 22, 18, (150, 1225)


def save_comparison(
    target: np.ndarray,
    prediction: np.ndarray,
    path: str | os.PathLike[str],
    title: str = "",
    figures: Sequence[str] = (),
    captions: Sequence[str] = CAPTIONS,
    rows: Sequence[tuple[Sequence[str], Sequence[np.ndarray]]] = (),
    hidden: np.ndarray | None = None,
) -> None:
    """A PNG of three panels: original, reconstruction (clamped to [0, 1]) and absolute error times a power of two.

    More rows of three panels may follow, such as pictures of derivatives.

    The panels are in a row, stacked for a picture more than twice as wide as high, and turned by 90 degrees with their
    captions for one more than three times as high as wide. Small pictures are magnified by repeating pixels; those
    that would make the PNG longer than about 4000 pixels are reduced by area averages (the error after it is taken)
    and thin ones are stretched, and a note in the header then says so. RGBA is shown over white. The factor of the
    error is `error_factor`.

    Args:
        target, prediction: (height, width, channels) floating, nominally in [0, 1]; 1 (grey), 3 (RGB) or 4 channels
            (RGBA, straight alpha). NaN is drawn as 0.
        path: the file, replaced atomically.
        title: short text, shown bold.
        figures: short texts such as "PSNR 38.2 dB".
        captions: of the first two panels.
        rows: pairs (three captions, three uint8 pictures (height, width, 3) of the same size).
        hidden: None, or bool (height, width), pixels that took no part: they are hatched in the original. Error and
            reconstruction are shown there, too.

    Raises:
        InputError: unless both have one such shape.

    >>> import tempfile
    >>> picture = np.linspace(0, 1, 64).reshape(8, 8, 1)
    >>> save_comparison(picture, picture**2, f"{tempfile.mkdtemp()}/comparison.png", "ramp", ["PSNR 17.6 dB"])
    """
    shapes = np.shape(target), np.shape(prediction)
    if shapes[0] != shapes[1] or len(shapes[0]) != 3 or shapes[0][2] not in (1, 3, 4) or 0 in shapes[0]:
        raise InputError(
            "target and prediction must have one shape (height, width, 1, 3 or 4 channels), "
            f"received {shapes[0]} and {shapes[1]}"
        )
    target, prediction = _over_white(target), _over_white(prediction)
    shown = target if hidden is None else _hatched(target, hidden)
    captions = captions if hidden is None else (captions[0] + HATCHED, *captions[1:])
    turned = target.shape[0] > 3 * target.shape[1]
    more = [np.asarray(picture, np.float32) / 255 for _, pictures in rows for picture in pictures]
    if turned:
        target, shown, prediction, *more = (np.rot90(picture, -1) for picture in (target, shown, prediction, *more))
    panels = [_reduced(shown), _reduced(prediction), _reduced(np.abs(target - prediction))]
    factor = error_factor(panels[2])
    panels[2] = panels[2] * factor
    panels, notes = _magnified([*panels, *map(_reduced, more)], target.shape[1])
    captions = [*captions, f"absolute error × {factor}", *(caption for triple, _ in rows for caption in triple)]
    write_png(path, lambda: np.rot90(_draw_comparison(panels, captions, title, [*figures, *notes]), int(turned)))


def error_factor(error: np.ndarray) -> int:
    """The largest power of two, 1 to 1024, times which 99 % of the errors stay within [0, 1]; 1 if there is no error.

    >>> error_factor(np.full((8, 8, 3), 0.06))
    16
    """
    scale = np.percentile(error, 99) or np.max(error)
    return 1 if scale == 0 else min(LARGEST_FACTOR, max(1, 2 ** math.floor(-math.log2(scale))))


def save_curves(rows: Iterable[Mapping[str, Any]], path: str | os.PathLike[str], title: str = "") -> None:
    """A PNG of loss (logarithmic), PSNR and learning rate against the step, with their last values.

    From 200 rows on, the values are drawn pale under their running mean over 2 % of the rows.

    Args:
        rows: dicts with `step`, `loss`, `psnr_db` (of training batches), `learning_rate`, `seconds` and, in some of
            them, `average_psnr_db` (of averaged weights) and `picture_psnr_db` (of all pixels). A value that is
            missing, None, "" or not finite is left out, except that a last PSNR of infinity is stated.
        path: the file, replaced atomically.
        title: short text, shown bold.

    Raises:
        InputError: if there are no rows.

    >>> import tempfile
    >>> row = {"step": 1, "loss": 0.1, "psnr_db": 10.0, "learning_rate": 1e-3, "seconds": 0.5}
    >>> save_curves([row], f"{tempfile.mkdtemp()}/curves.png", "one step")
    """
    rows = list(rows)
    if not rows:
        raise InputError("rows must hold at least one dict, received none")
    write_png(path, lambda: rasterized(_draw_curves(rows, title)))


def _over_white(picture):
    """What a white page shows of a picture: float32 in [0, 1] with 1 or 3 channels."""
    picture = np.clip(np.nan_to_num(np.asarray(picture, np.float32), nan=0.0), 0, 1)
    if picture.shape[2] < 4:
        return picture
    return picture[..., :3] * picture[..., 3:] + (1 - picture[..., 3:])


def _hatched(picture, hidden):
    """The picture with diagonal stripes of two greys where it is hidden."""
    rows, columns = np.indices(hidden.shape)
    stripes = np.where((rows + columns) // STRIPE % 2, *STRIPES).astype(np.float32)
    return np.where(hidden[..., None], stripes[..., None], picture)


def _is_stacked(height, width):
    return width > 2 * height


def _reduced(array):
    height, width = array.shape[:2]
    limits = STACKED if _is_stacked(height, width) else IN_ROW
    scale = min(1, limits[0] / height, limits[1] / width)
    if scale == 1:
        return array
    return resampled(array, max(1, round(height * scale)), max(1, round(width * scale)), "area")


def _magnified(panels, original_width):
    """The panels as uint8 RGB with repeated pixels, and what a reader must know about their size."""
    height, width = panels[0].shape[:2]
    smallest = SMALLEST_STACKED if _is_stacked(height, width) else SMALLEST_IN_ROW
    repeats = math.ceil(smallest / max(height, width))
    stretch = math.ceil(THINNEST / (repeats * height))
    notes = [f"shown at {100 * width / original_width:.3g} %"] if width < original_width else []
    notes += [f"short side × {stretch}"] if stretch > 1 else []
    shown = []
    for panel in panels:
        panel = np.rint(np.clip(panel, 0, 1) * 255).astype(np.uint8)
        panel = panel.repeat(repeats * stretch, axis=0).repeat(repeats, axis=1)
        shown.append(np.broadcast_to(panel, (*panel.shape[:2], 3)))
    return shown, notes


def _draw_comparison(panels, captions, title, figures):
    """Panels at whole pixels on white, under a header and over their captions."""
    height, width = panels[0].shape[:2]
    stacked = _is_stacked(height, width)
    size = min(56, max(15, round(0.0155 * width * (1 if stacked else 3))))
    margin, gap, frame = round(0.6 * size), round(0.5 * size), max(1, size // 16)
    framed = (height + 2 * frame, width + 2 * frame)
    cell = max(framed[1], *(math.ceil(text_width(text, size)) for text in captions))
    columns = 1 if stacked else 3
    inner = columns * cell + (columns - 1) * gap
    down = framed[0] + 2 * size
    below = (len(panels) // columns - 1) * down + framed[0] + round(1.7 * size)
    figure, top = headed_figure(inner + 2 * margin, below, title, figures, size, margin)
    left = margin + (cell - framed[1]) // 2
    corners = [(left + i % columns * (cell + gap), top + i // columns * down) for i in range(len(panels))]
    for (x, y), caption in zip(corners, captions, strict=True):
        draw_text(figure, x + framed[1] / 2, y + framed[0] + 1.05 * size, caption, "center", font(size), INK)
    page = rasterized(figure)
    for (x, y), panel in zip(corners, panels, strict=True):
        page[y : y + framed[0], x : x + framed[1]] = FRAME
        page[y + frame : y + frame + height, x + frame : x + frame + width] = panel
    return page


def _draw_curves(rows, title):
    keys = ("step", "seconds", "loss", "psnr_db", "average_psnr_db", "picture_psnr_db", "learning_rate")
    steps, seconds, loss, psnr, average, whole, rate = (_column(rows, key) for key in keys)
    facts = [f"step {_grouped(_last(steps))}"]
    if not math.isnan(_last(seconds)):
        facts.append(_duration(_last(seconds)))
    figure, top = headed_figure(PAGE_WIDTH, 1105, title, facts, PAGE_FONT, PAGE_MARGIN)
    _draw_loss(_add_axes(figure, steps, "loss", top, 390), steps, loss)
    _draw_psnr(_add_axes(figure, steps, "PSNR in dB", top + 450, 390), steps, psnr, average, whole)
    _draw_rate(_add_axes(figure, steps, "learning rate", top + 900, 90), steps, rate)
    return figure


def _draw_loss(axes, steps, loss):
    loss = np.where((loss > 0) & np.isfinite(loss), loss, math.nan)
    if not np.all(np.isnan(loss)):
        lowest, highest = math.floor(np.log10(np.nanmin(loss))), math.ceil(np.log10(np.nanmax(loss)))
        # whole decades: between them, Matplotlib's labels of minor ticks would not fit the margin
        axes.set(yscale="log", ylim=(10.0**lowest, 10.0 ** max(highest, lowest + 1)))
    _plot_noisy(axes, steps, loss, BLUE)
    _label_last(axes, loss, _scientific, BLUE)


def _draw_psnr(axes, steps, psnr, average, whole):
    _plot_noisy(axes, steps, psnr, BLUE, "training batches")
    more = [(average, GREEN, "averaged weights, at some pixels"), (whole, ORANGE, "all pixels")]
    more = [(values, colour, name) for values, colour, name in more if not np.all(np.isnan(values))]
    for values, colour, name in more:
        _plot(axes, steps, values, colour, name)
    values, colour, _ = more[-1] if more else (psnr, BLUE, None)
    _label_last(axes, values, _decibels, colour)
    if more:
        axes.legend(loc="lower right", frameon=False, prop=font(PAGE_FONT), labelcolor=INK)


def _draw_rate(axes, steps, rate):
    _plot(axes, steps, rate, GREEN)
    _label_last(axes, rate, _scientific, GREEN)
    highest = np.max(rate, where=np.isfinite(rate), initial=0)
    axes.set(ylim=(0, 1.2 * highest or 1), yticks=sorted({0, highest}))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _scientific(value)))
    axes.tick_params(labelbottom=True)
    axes.set_xlabel("step", fontproperties=font(PAGE_FONT), color=INK)


def _column(rows, key):
    return np.array([math.nan if row.get(key) in (None, "") else float(row[key]) for row in rows])


def _last(values):
    known = values[~np.isnan(values)]
    return known[-1] if known.size else math.nan


def _add_axes(figure, steps, name, top, height):
    """Axes under their name, `top` and `height` in pixels with the name included."""
    width, page = figure.bbox.size
    left, right = AXES_SPAN
    draw_text(figure, left, top + 30, name, "left", font(PAGE_FONT), INK)
    place = (left / width, 1 - (top + 42 + height) / page, (right - left) / width, height / page)
    axes = figure.add_axes(place, facecolor="white")
    first, last = np.nanmin(steps), np.nanmax(steps)
    beyond = 0.008 * (last - first) or 1
    axes.set_xlim(first - beyond, last + beyond)
    axes.xaxis.set_major_locator(MaxNLocator(7, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _grouped(value)))
    axes.grid(True, color=PALE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.tick_params(which="both", color=GREY, labelcolor=GREY, labelsize=font(PAGE_FONT).get_size(), labelbottom=False)
    axes.tick_params(which="both", labelfontfamily="DejaVu Sans")
    return axes


def _plot(axes, steps, values, colour, label=None):
    """A line through what is finite, with its points marked where they are few."""
    finite = np.isfinite(values)
    few = np.count_nonzero(finite) <= 40
    axes.plot(
        steps[finite], values[finite], color=colour, label=label, linewidth=1.6, marker="o" if few else "", markersize=4
    )


def _plot_noisy(axes, steps, values, colour, label=None):
    finite = np.isfinite(values)
    steps, values = steps[finite], values[finite]
    if values.size < SMOOTHED_FROM:
        _plot(axes, steps, values, colour, label)
        return
    axes.plot(steps, values, color=colour, alpha=0.3, linewidth=0.8)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    centres = np.arange(values.size)
    first = np.maximum(centres - values.size // 100, 0)
    end = np.minimum(centres + values.size // 100 + 1, values.size)
    _plot(axes, steps, (sums[end] - sums[first]) / (end - first), colour, label)


def _label_last(axes, values, form, colour):
    last = _last(values)
    if math.isnan(last):
        axes.set_yticks([])
        return
    where = (1, last) if math.isfinite(last) else (1, 1)
    frame = axes.get_yaxis_transform() if math.isfinite(last) else axes.transAxes
    axes.annotate(
        form(last), where, xycoords=frame, xytext=(5, 0), textcoords="offset points", va="center", color=colour,
        font=font(PAGE_FONT), annotation_clip=False, parse_math=False,
    )  # fmt: skip


def _grouped(number):
    return f"{number:,.0f}".replace(",", "\u2009")


def _decibels(value):
    return f"{value:.2f} dB" if math.isfinite(value) else "∞ dB"


def _duration(seconds):
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _scientific(value):
    """0.0123 as it is, 0.000153 as 1.53 × 10⁻⁴."""
    if value == 0 or 0.01 <= value < 1000:
        return f"{value:.3g}"
    mantissa, exponent = f"{value:.2e}".split("e")
    power = "10" + str(int(exponent)).translate(SUPERSCRIPTS)
    return power if float(mantissa) == 1 else f"{float(mantissa):g} × {power}"
