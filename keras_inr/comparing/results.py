"""What a comparison leaves: every fit as a line, tables, curves, crops."""

import csv
import importlib.util
import json
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from keras_inr._files import atomic_path
from keras_inr.comparing.drawings import draw_crops, draw_curves
from keras_inr.comparing.plan import Comparison
from keras_inr.comparing.statistics import MOST_DB, Summary, summaries
from keras_inr.comparing.tables import latex, markdown
from keras_inr.fleet.manifest import COLUMNS
from keras_inr.fleet.work import FITTED
from keras_inr.runs.facts import versions
from keras_inr.signals.image import load_image

Places = Mapping[tuple[str, int], pathlib.Path]
"""(variant, seed) -> folder of its fits."""

LEFT_OUT = ("model", "saved_model", "run", "weights", "weights_sha256", "max_epochs", "goal_psnr_db", "label")
LINE = ("variant", *(name for name in COLUMNS if name not in LEFT_OUT), "lpips")
"""Columns of results.csv."""


def write_results(folder: pathlib.Path, comparison: Comparison, rows: list[dict[str, Any]], places: Places) -> None:
    """Writes results.csv, table.md, table.tex, summary.json, curves.png, curves.pdf and crops.png."""
    add_lpips(rows, places, comparison.image_options)
    with atomic_path(folder / "results.csv") as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, LINE, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    found = summaries(rows, [variant.name for variant in comparison.variants])
    note = how_made(comparison, rows)
    for name, text in (("table.md", markdown(found, note)), ("table.tex", latex(found, note))):
        with atomic_path(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    with atomic_path(folder / "summary.json") as temporary:
        temporary.write_text(json.dumps(as_json(found), indent=2, allow_nan=False), encoding="utf-8")
    order = [each.variant for each in found]
    draw_curves(rows, order, places, folder / "curves.png")
    draw_crops(rows, order, places, comparison.image_options, folder / "crops.png")


def as_json(found: Sequence[Summary]) -> list[dict[str, Any]]:
    """Summaries as JSON has them."""
    return [{**vars(each), "behind": None if each.behind is None else vars(each.behind)} for each in found]


def how_made(comparison: Comparison, rows: Sequence[Mapping[str, Any]]) -> str:
    """A line about pictures, seeds, budget and machine."""
    pictures = list(dict.fromkeys(row["name"] for row in rows))
    named = ", ".join(pictures) if len(pictures) <= 6 else f"{len(pictures)} pictures"
    devices = ", ".join(dict.fromkeys(row["device"] for row in rows if row["device"]))
    together = max((row["pictures_together"] or 1 for row in rows), default=1)
    rates = "" if comparison.sweep_rates is None else " Learning rates swept alike, on the first picture."
    seconds = "" if together == 1 else f" Seconds are of up to {together} pictures that were fitted together."
    return (
        f"{named}; seeds {', '.join(map(str, comparison.seeds))}; {comparison.budget} for each fit.{rates}{seconds} "
        f"PSNR: mean over pictures, each up to {MOST_DB:.0f} dB, ± standard deviation between seeds. Against the best: "
        f"mean difference of the same pictures, with its 95 % interval. {devices or 'no device'}, "
        f"TensorFlow {versions()['tensorflow']}."
    )


def add_lpips(rows: Sequence[dict[str, Any]], places: Places, options: Mapping[str, Any]) -> None:
    """Adds "lpips" to the rows of colour pictures, where the package lpips is installed; None elsewhere."""
    distance = lpips_distance()
    for row in rows:
        row["lpips"] = None
        if distance is not None and row["status"] == FITTED and row["channels"] == 3:
            target = load_image(row["source"], **options).values
            row["lpips"] = distance(target, load_image(preview_path(row, places)).values)


def preview_path(row: Mapping[str, Any], places: Places) -> pathlib.Path:
    """The PNG of what a fit came to."""
    return places[row["variant"], row["seed"]] / pathlib.PurePath(row["model"]).with_name("preview.png")


def lpips_distance() -> Callable[[np.ndarray, np.ndarray], float] | None:
    """LPIPS (Zhang et al. 2018, by AlexNet) of two pictures in [0, 1]; None without the package lpips."""
    if importlib.util.find_spec("lpips") is None:
        return None
    import lpips
    import torch

    network = lpips.LPIPS(net="alex", verbose=False)

    def distance(target: np.ndarray, prediction: np.ndarray) -> float:
        with torch.no_grad():
            pair = [torch.from_numpy(2 * np.moveaxis(each, -1, 0)[None] - 1).float() for each in (target, prediction)]
            return float(network(*pair))

    return distance
