"""Networks, hash grids and a regularised bicubic grid on made signals, at equal weights and seconds.

From the root of the repository: python -m experiments.signals.study

Parts, all of them by default:

    fit         every network to every signal of --levels, by `keras_inr.comparing` with --seconds each, at --weights,
                with the best learning rate of several on the star, each tried for half as long
    grid        the regularised bicubic grid with as many values, 1000 steps on all pixels
    tomography  every network at the first of --weights, the grid of pixels and filtered back projection: a phantom of
                --side pixels from --angles projections
    report      the page's tables and figure of all fits in results/fits.csv

A part puts its fits into fits.csv as they are made, so that the study can be made in several sittings. Networks' fits
to signals are kept in --runs and are not made again; the others, which are short, are. --quick takes small signals and
a second each, and keeps its results in runs/signals/quick.
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
from keras_inr.comparing.run import RATES
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
NETWORKS = ("relu_pe", "fourier", "siren", "siren_init_33", "finer", "gauss", "wire_own", "mfn_gabor", "bacon")
"""Presets whose layers are widened or narrowed to the weights."""

ARGUMENTS = {"gauss": {"scale": 10.0}, "wire_own": {"omega_0": 15.0, "scale": 10.0}}
"""Of networks whose own scale is for smaller pictures and more steps: WIRE's are the paper's; see the page."""

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
ADAM = {"optimizer": "adam", "learning_rate": grid.RATE}
PARTS = ("fit", "grid", "tomography", "report")
COLUMNS = ("task", "weights", "method", "signal", "seed", "num_parameters", "steps", "points_per_step", "train_seconds")
COLUMNS += ("optimizer", "learning_rate", "psnr_db", "ssim", "device", "tensorflow")
TEXTS = ("task", "method", "signal", "optimizer", "device", "tensorflow")
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
                if part == "grid":
                    keep(grid_rows(signals, weights))
                for method in variants(weights) if part == "fit" else ():
                    keep(fit_rows(signals, weights, method))
    return 0


def variants(weights):
    """The networks at a size."""
    size = (FLAGS.size, FLAGS.size)
    found = []
    for name in FLAGS.methods:
        arguments = sized(name, ARGUMENTS.get(name, {}), weights, size) if name in NETWORKS else GRIDS[weights][name]
        found.append(Variant(name, name, arguments))
    return found


def fit_rows(signals, weights, method):
    """Rows of a method's fits, by `keras_inr.comparing`; a network's rate is the best one for the first signal."""
    folder = pathlib.Path(FLAGS.runs, f"fits-{weights}-{FLAGS.seconds:g}s", method.name)
    pictures = [Picture(name, str(written(name, values))) for name, values in signals.items()]
    rates = RATES if method.name in NETWORKS else None
    comparison = Comparison([method], (FLAGS.seed,), Budget(seconds=FLAGS.seconds), sweep_rates=rates)
    _, rows = run_comparison(pictures, comparison, folder, resume=True, progress=False, tell=messages.tell)
    shared = {"task": "fit", "weights": weights, "tensorflow": tf.__version__}
    return [{**{key: row.get(key) for key in COLUMNS}, **shared, **named(row)} for row in rows]


def named(row):
    signal = pathlib.PurePath(row["name"]).stem
    return {"method": row["variant"], "signal": signal, "points_per_step": row["batch_size"]}


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
        outcome = {"num_parameters": cells.size, "steps": grid.STEPS, "points_per_step": values.size, **ADAM}
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

    def add(method, picture, seconds, num_parameters, steps, optimizer=None, learning_rate=None):
        outcome = {"num_parameters": num_parameters, "steps": steps, "points_per_step": side * side}
        outcome |= {"optimizer": optimizer, "learning_rate": learning_rate}
        picture = np.reshape(picture, (side, side))
        rows.append(row_of("tomography", weights, method, f"phantom-{side}", values, picture, seconds, outcome))
        messages.tell(f"tomography, {method}: {rows[-1]['psnr_db']:.2f} dB")

    add("filtered back projection", tomography.back_projected(sinogram, side, count), None, None, None)
    add(GRID, *tomography.fitted_grid(matrix, sinogram, side), side * side, grid.STEPS, **ADAM)
    steps = FLAGS.tomography_steps
    for variant in variants(weights):
        if variant.name not in NETWORKS:  # a grid's own layout goes by the picture
            variant = Variant(variant.name, variant.name)
        found = {}
        for rate in RATES:
            *_, found[rate] = scanned(variant, matrix, sinogram, coords, rate, max(1, steps // 4))
        best = min(found, key=found.get)
        messages.tell(f"tomography, {variant.name}: learning_rate {best:g} of {found}")
        picture, seconds, facts, _ = scanned(variant, matrix, sinogram, coords, best, steps)
        add(variant.name, picture, seconds, **facts)
    return rows


def scanned(variant, matrix, sinogram, coords, learning_rate, steps):
    """(picture, seconds, facts, loss) of a network that is fitted to projections at a learning rate."""
    keras.backend.clear_session()
    recipe = recipe_for(variant.preset, {"steps": steps, "learning_rate": learning_rate, "seed": FLAGS.seed})
    shared = {"channels": 1, "picture_size": (FLAGS.side, FLAGS.side), "seed": FLAGS.seed}
    field = from_preset(variant.preset, **{**dict(variant.arguments), **shared})
    picture, seconds, loss = tomography.fitted_field(field, matrix, sinogram, coords, recipe)
    facts = {"num_parameters": field.count_params(), "steps": steps}
    return picture, seconds, {**facts, "optimizer": recipe.optimizer, "learning_rate": learning_rate}, loss


def keep(rows):
    """Puts rows into fits.csv, in the place of those of the same fits."""
    path = pathlib.Path(FLAGS.results, "fits.csv")
    new = {tuple(str(row[key]) for key in KEY) for row in rows}
    write_csv(
        path, COLUMNS, [row for row in read_csv(path, TEXTS) if tuple(str(row[key]) for key in KEY) not in new] + rows
    )


def report():
    """The page's tables and figure of what there is."""
    results = pathlib.Path(FLAGS.results)
    rows = read_csv(results / "fits.csv", TEXTS)
    if not rows:
        raise InputError(f"{FLAGS.results} has no fits.csv: give --part=fit first")
    text = pages.text(rows)
    if any(row["task"] == "fit" for row in rows):
        pages.draw(rows, results / "fits.png")
    page = results.parent / "README.md"
    if page.exists():
        put_between(page, "<!-- signals -->", text)
    print(text)


if __name__ == "__main__":
    startup.run(sys.modules[__name__], sys.argv[1:])
