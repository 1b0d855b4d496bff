"""Networks, hash grids and a regularised bicubic grid on made signals, at equal weights and seconds.

From the root of the repository: python -m experiments.signals.study

Parts, all of them by default:

    fit         every network to every signal of --levels, by `keras_inr.comparing` with --seconds each, at --weights
    grid        the regularised bicubic grid with as many values, 1000 steps on all pixels
    tomography  every network at the first of --weights, the grid of pixels and filtered back projection: a phantom of
                --side pixels from --angles projections
    report      the page's tables of all fits in results/fits.csv

A part puts its fits into fits.csv, so that the study can be made in several sittings. Networks' fits to signals are
kept in --runs and are not made again; the others, which are short, are. --quick takes small signals and a second each,
and keeps its results in runs/signals/quick.
"""

from keras_inr.cli import messages, startup

if __name__ == "__main__":
    startup.start("signals")

import pathlib
import sys

import keras
import numpy as np
import PIL.Image
import tensorflow as tf
from absl import flags

from experiments.files import ROOT, put_between, read_csv, whole_numbers, write_csv
from experiments.signals import grid, made, pages, tomography
from keras_inr.comparing import Budget, Comparison, Variant, run_comparison
from keras_inr.comparing.sizing import sized
from keras_inr.datasets.pictures import Picture
from keras_inr.errors import InputError
from keras_inr.metrics import finite, psnr, ssim
from keras_inr.presets import from_preset
from keras_inr.runs.facts import device_name
from keras_inr.runs.plan import recipe_for
from keras_inr.signals.image import load_image

FLAGS = flags.FLAGS
HERE = pathlib.Path(__file__).resolve().parent
NETWORKS = ("relu_pe", "fourier", "siren", "siren_init_33", "finer", "gauss", "wire", "mfn_gabor", "bacon")
"""Presets whose layers are widened or narrowed to the weights."""

GRIDS = {
    50_000: {
        "multi_hash": {"finest_resolution": 1000},
        "pixel_grid": {"layout": ((24, 8.0, 2), (24, 16.0, 2), (24, 32.0, 2), (24, 64.0, 2))},
    },
    1_000_000: {
        "multi_hash": {"num_levels": 12, "table_size": 131072, "finest_resolution": 1000},
        "pixel_grid": {"layout": ((24, 2.0, 3), (24, 4.0, 3), (24, 8.0, 2), (24, 16.0, 2), (24, 32.0, 2))},
    },
}
"""Arguments of grids at each size, whose weights are in their tables; for signals of 1000 x 1000."""

GRID = "grid, total variation"
PARTS = ("fit", "grid", "tomography", "report")
COLUMNS = ("task", "weights", "method", "signal", "seed", "num_parameters", "steps", "points_per_step", "train_seconds")
COLUMNS += ("psnr_db", "ssim", "device", "tensorflow")
TEXTS = ("task", "method", "signal", "device", "tensorflow")
KEY = ("task", "weights", "method", "signal", "seed")


def define_flags():
    flags.DEFINE_enum("part", "all", ["all", *PARTS], "what to do")
    flags.DEFINE_list("weights", [str(weights) for weights in GRIDS], "weights that methods have, about")
    flags.DEFINE_list("levels", ["1", "5", "9"], "bandwidths of signals, from 1 to 9")
    flags.DEFINE_list("methods", [*NETWORKS, "multi_hash", "pixel_grid"], "presets")
    flags.DEFINE_float("seconds", 30.0, "of training of each fit", lower_bound=0.1)
    flags.DEFINE_integer("size", 1000, "height and width of signals", lower_bound=32)
    flags.DEFINE_integer("seed", 0, "of signals, initial weights and batches", 0)
    flags.DEFINE_integer("side", 129, "height and width of the phantom, odd", lower_bound=17)
    flags.DEFINE_integer("angles", 100, "projections of the phantom", lower_bound=2)
    flags.DEFINE_integer("tomography_steps", 1000, "of every fit to projections", lower_bound=1)
    flags.DEFINE_bool("quick", False, "small signals, a second each")
    flags.DEFINE_string("runs", str(ROOT / "runs" / "signals"), "folder where fits are kept")
    flags.DEFINE_string("results", str(HERE / "results"), "folder of fits.csv")


def main(argv):
    if FLAGS.quick:
        small = {"levels": "5", "seconds": 1.0, "size": 64, "side": 33, "angles": 20, "tomography_steps": 10}
        for name, value in {**small, "weights": "50000", "methods": "siren,pixel_grid"}.items():
            FLAGS.set_default(name, value)
        FLAGS.runs = str(pathlib.Path(FLAGS.runs) / "quick")
        FLAGS.results = str(pathlib.Path(FLAGS.runs) / "results")
    sizes = whole_numbers("weights", FLAGS.weights, 1000)
    levels = whole_numbers("levels", FLAGS.levels, 1)
    unknown = [name for name in FLAGS.methods if name not in (*NETWORKS, "multi_hash", "pixel_grid")]
    if unknown or max(levels) > max(made.LEVELS) or not set(sizes) <= set(GRIDS) or FLAGS.side % 2 == 0:
        raise InputError(
            f"methods must be some of {', '.join(NETWORKS)}, multi_hash and pixel_grid, levels at most 9, weights some "
            f"of {', '.join(map(str, GRIDS))}, and side odd"
        )
    for part in PARTS if FLAGS.part == "all" else (FLAGS.part,):
        if part == "report":
            report()
        elif part == "tomography":
            keep(tomography_rows(sizes[0]))
        else:
            signals = made.all_of(levels, FLAGS.size, FLAGS.seed)
            for weights in sizes:
                keep({"fit": fit_rows, "grid": grid_rows}[part](signals, weights))
    return 0


def variants(weights):
    """The networks at a size."""
    size = (FLAGS.size, FLAGS.size)
    found = []
    for name in FLAGS.methods:
        arguments = sized(name, {}, weights, size) if name in NETWORKS else GRIDS[weights][name]
        found.append(Variant(name, name, arguments))
    return found


def fit_rows(signals, weights):
    """Rows of the networks' fits, by `keras_inr.comparing`."""
    folder = pathlib.Path(FLAGS.runs, f"fits-{weights}-{FLAGS.seconds:g}s")
    pictures = [Picture(name, str(written(name, values))) for name, values in signals.items()]
    comparison = Comparison(variants(weights), (FLAGS.seed,), Budget(seconds=FLAGS.seconds))
    _, rows = run_comparison(pictures, comparison, folder, resume=True, progress=False, tell=messages.tell)
    shared = {"task": "fit", "weights": weights, "tensorflow": tf.__version__}
    return [{**{key: row.get(key) for key in COLUMNS}, **shared, **named(row)} for row in rows]


def named(row):
    return {"method": row["variant"], "signal": pathlib.PurePath(row["name"]).stem}


def written(name, values):
    """The path of a signal as a grey PNG of 16 bits, written where it is missing."""
    path = pathlib.Path(FLAGS.runs, "signals", f"{name}-{FLAGS.size}-{FLAGS.seed}", f"{name}.png")
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(np.rint(values * 65535).astype("uint16")).save(path)
    return path


def grid_rows(signals, weights):
    """Rows of the regularised grid's fits."""
    rows = []
    for name in signals:
        values = load_image(str(written(name, signals[name]))).values
        picture, cells, seconds = grid.fitted(values[..., 0], weights)
        outcome = {"num_parameters": cells.size, "steps": grid.STEPS, "points_per_step": values.size}
        rows.append(row_of("fit", weights, GRID, name, values[..., 0], picture, seconds, outcome))
        messages.tell(f"{GRID}, {weights}, {name}: {rows[-1]['psnr_db']:.2f} dB")
    return rows


def row_of(task, weights, method, signal, values, picture, seconds, outcome):
    values, picture = (np.asarray(array, "float32")[..., None] for array in (values, picture))
    row = {"task": task, "weights": weights, "method": method, "signal": signal, "seed": FLAGS.seed, **outcome}
    row |= {"psnr_db": finite(psnr(values, picture)), "ssim": ssim(values, np.clip(picture, 0, 1))}
    return {**row, "train_seconds": seconds, "device": device_name(), "tensorflow": tf.__version__}


def tomography_rows(weights):
    """Rows of the phantom from its projections, by every method."""
    side, count = FLAGS.side, FLAGS.angles
    values = tomography.phantom(side)
    matrix = tomography.projector(side, count)
    sinogram = tomography.projected(matrix, values)
    coords = load_image(values[..., None]).coords
    rows = []

    def add(method, picture, seconds, num_parameters, steps):
        outcome = {"num_parameters": num_parameters, "steps": steps, "points_per_step": side * side}
        picture = np.reshape(picture, (side, side))
        rows.append(row_of("tomography", weights, method, f"phantom-{side}", values, picture, seconds, outcome))
        messages.tell(f"tomography, {method}: {rows[-1]['psnr_db']:.2f} dB")

    add("filtered back projection", tomography.back_projected(sinogram, side, count), None, None, None)
    add(GRID, *tomography.fitted_grid(matrix, sinogram, side), side * side, grid.STEPS)
    steps = FLAGS.tomography_steps
    for variant in variants(weights):
        if variant.name not in NETWORKS:  # a grid's own layout goes by the picture
            variant = Variant(variant.name, variant.name)
        keras.backend.clear_session()
        shared = {"channels": 1, "picture_size": (side, side), "seed": FLAGS.seed}
        field = from_preset(variant.preset, **{**dict(variant.arguments), **shared})
        rate = recipe_for(variant.preset, {"steps": steps}).learning_rate
        picture, seconds = tomography.fitted_field(field, matrix, sinogram, coords, steps, rate)
        add(variant.name, picture, seconds, field.count_params(), steps)
    return rows


def keep(rows):
    """Puts rows into fits.csv, in the place of those of the same fits."""
    path = pathlib.Path(FLAGS.results, "fits.csv")
    new = {tuple(str(row[key]) for key in KEY) for row in rows}
    write_csv(
        path, COLUMNS, [row for row in read_csv(path, TEXTS) if tuple(str(row[key]) for key in KEY) not in new] + rows
    )


def report():
    """The page's tables of what there is."""
    rows = read_csv(pathlib.Path(FLAGS.results, "fits.csv"), TEXTS)
    if not rows:
        raise InputError(f"{FLAGS.results} has no fits.csv: give --part=fit first")
    text = pages.text(rows)
    page = pathlib.Path(FLAGS.results).parent / "README.md"
    if page.exists():
        put_between(page, "<!-- signals -->", text)
    print(text)


if __name__ == "__main__":
    startup.run(sys.modules[__name__], sys.argv[1:])
