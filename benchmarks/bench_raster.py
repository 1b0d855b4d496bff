"""Seconds of a picture drawn by rows and columns (`Field.on_raster`) and point by point, at several scales.

    python benchmarks/bench_raster.py --out=benchmarks/results/raster.json

Medians of --repeats pictures of 512 x 512, in turn in one process; fields are untrained, of pictures of 2048 x 3072.
"""

import argparse
import json
import pathlib
import statistics
import time

import numpy as np
import tensorflow as tf

from keras_inr.coordinates import box_axes, box_coords
from keras_inr.presets import from_preset
from keras_inr.runs.facts import device_name

PRESETS = ("multi_hash", "hash_smooth", "pixel_grid", "dense_grid", "siren")
SCALES = (4.0, 1.0, 0.1)
"""Sides of a pixel, in those of the picture."""

SIDE = 512
PICTURE = (2048, 3072)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, help="JSON file to write")
    parser.add_argument("--repeats", type=int, default=15, help="pictures for a median")
    arguments = parser.parse_args()
    rows = [measure(preset, scale, arguments.repeats) for preset in PRESETS for scale in SCALES]
    for row in rows:
        print(json.dumps(row))
    if arguments.out:
        about = {"device": device_name(), "tensorflow": tf.__version__}
        arguments.out.write_text(json.dumps({**about, "rows": rows}, indent=2) + "\n")


def measure(preset, scale, repeats):
    field = from_preset(preset, picture_size=PICTURE, seed=0)
    half = SIDE * scale / max(PICTURE)
    box = (-half, -half, half, half)
    x, y = box_axes(box, SIDE, SIDE, (0, SIDE), (0, SIDE))
    coords = box_coords(box, SIDE, SIDE)
    ways = {"raster": lambda: field.traced_raster(x, y), "points": lambda: field.traced(coords)}
    difference = float(np.abs(ways["raster"]().numpy() - ways["points"]().numpy()).max())
    taken = {name: [] for name in ways}
    for _ in range(repeats):
        for name, call in ways.items():
            start = time.perf_counter()
            call().numpy()
            taken[name].append(time.perf_counter() - start)
    seconds = {name: statistics.median(times) for name, times in taken.items()}
    return {
        "preset": preset,
        "scale": scale,
        **seconds,
        "ratio": seconds["points"] / seconds["raster"],
        "difference": difference,
    }


if __name__ == "__main__":
    main()
