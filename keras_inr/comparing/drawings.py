"""A comparison to look at: PSNR over the steps with bands, and crops of the same place side by side."""

import collections
import csv
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.figure
import numpy as np

from keras_inr._files import atomic_path
from keras_inr.comparing.statistics import MOST_DB
from keras_inr.fleet.work import FITTED
from keras_inr.signals.image import load_image

Row = Mapping[str, Any]
Places = Mapping[tuple[str, int], pathlib.Path]

CROP, MOST_PICTURES = 64, 4
POINTS = 200


def draw_curves(rows: Sequence[Row], order: Sequence[str], places: Places, path: pathlib.Path) -> None:
    """PSNR of batches over steps and over seconds: the mean over fits of each variant, and a band from 10 to 90 %.

    Over seconds a curve ends where the quickest of its fits does. It is a PNG, with a PDF beside it.
    """
    figure = matplotlib.figure.Figure(figsize=(12, 4.5), layout="constrained")
    for axes, column in zip(figure.subplots(1, 2), ("step", "seconds"), strict=True):
        for variant in order:
            found = [curve_of(row, places, column) for row in rows if row["variant"] == variant]
            curves = [curve for curve in found if curve is not None]
            if not curves:
                continue
            last = min(curve[0, -1] for curve in curves)
            first = max(curve[0, 0] for curve in curves)
            grid = np.linspace(first, max(first, last), POINTS)
            values = np.stack([np.interp(grid, *curve) for curve in curves])
            (line,) = axes.plot(grid, values.mean(axis=0), label=variant)
            axes.fill_between(grid, *np.percentile(values, (10, 90), axis=0), color=line.get_color(), alpha=0.2, lw=0)
        axes.set_xlabel("steps" if column == "step" else "seconds of training")
        axes.set_ylabel("PSNR of batches (dB)")
        axes.grid(alpha=0.3)
    figure.axes[0].legend(fontsize="small")
    for name in (path, path.with_suffix(".pdf")):
        with atomic_path(name) as temporary:
            figure.savefig(temporary, dpi=110)


def curve_of(row: Row, places: Places, column: str) -> np.ndarray | None:
    """(2, N) of a column and PSNR, up to 60 dB, out of the history of a fit; None where it has none."""
    if row["status"] != FITTED:
        return None
    history = places[row["variant"], row["seed"]] / pathlib.PurePath(row["model"]).with_name("history.csv")
    if not history.is_file():
        return None
    with history.open(newline="") as file:
        lines = [line for line in csv.DictReader(file) if line["psnr_db"]]
    points = [(float(line[column]), min(float(line["psnr_db"]), MOST_DB)) for line in lines]
    return np.array(points).T if points else None


def draw_crops(
    rows: Sequence[Row], order: Sequence[str], places: Places, options: Mapping[str, Any], path: pathlib.Path
) -> None:
    """A sheet: a line for each of up to four pictures, the part in which variants differ most, original first."""
    of_picture: dict[str, dict[str, Row]] = collections.defaultdict(dict)
    for row in rows:
        if row["status"] == FITTED:
            of_picture[row["name"]].setdefault(row["variant"], row)
    chosen = list(of_picture.items())[:MOST_PICTURES]
    if not chosen:
        return
    size = (1.8 * (len(order) + 1), 2.1 * len(chosen))
    figure = matplotlib.figure.Figure(figsize=size, layout="constrained")
    grid = figure.subplots(len(chosen), len(order) + 1, squeeze=False)
    for line, (name, fits) in zip(grid, chosen, strict=True):
        target = load_image(next(iter(fits.values()))["source"], **options).values
        found = {variant: shown(fits[variant], places) for variant in order if variant in fits}
        top, left = most_different(list(found.values()))
        pictures = {name: target, **found}
        for axes, title in zip(line, (name, *order), strict=True):
            axes.axis("off")
            if title in pictures:
                part = pictures[title][top : top + CROP, left : left + CROP]
                axes.imshow(part.squeeze(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
                psnr_db = None if title == name else fits[title]["psnr_db"]
                axes.set_title(title if psnr_db is None else f"{title}\n{psnr_db:.1f} dB", fontsize=8)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=130)


def shown(row: Row, places: Places) -> np.ndarray:
    """What a fit came to, rounded to 8 bits, its channels kept."""
    path = places[row["variant"], row["seed"]] / pathlib.PurePath(row["model"]).with_name("preview.png")
    return load_image(path, alpha="keep" if row["channels"] == 4 else "white").values


def most_different(pictures: Sequence[np.ndarray]) -> tuple[int, int]:
    """Upper left corner of the part, 64 pixels wide, in which pictures of one size differ most.

    >>> one = np.zeros((200, 150, 3))
    >>> other = one.copy()
    >>> other[130:180, 20:60] = 1.0
    >>> most_different([one, other])
    (128, 0)
    """
    spread = np.var(np.stack(pictures), axis=0).sum(axis=-1)
    height, width = spread.shape
    step = CROP // 2
    corners = [
        (top, left)
        for top in range(0, max(1, height - CROP + 1), step)
        for left in range(0, max(1, width - CROP + 1), step)
    ]
    return max(corners, key=lambda corner: spread[corner[0] : corner[0] + CROP, corner[1] : corner[1] + CROP].sum())
