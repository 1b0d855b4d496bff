"""Cell grids in the layouts of HashGrid-AI-Upscaler on its own pictures: how well they learn them, what they enlarge.

From the root of the repository:

    python -m experiments.hash_upscaler.study --pictures_dir=../shared/data/hash_upscaler

Parts, the first two by default:

    run      fits every method to every picture, and to the picture reduced by 2, which it then enlarges again;
             measures the source's committed outputs
    report   data, tables and figures in results/, tables in the README
    rates    fits every method at several learning rates to a picture that is not among them; the best are in METHODS

Fits are kept under runs/hash_upscaler/ and are not repeated, so that the command goes on where it was stopped. The
figures show pictures, so that a report needs --pictures_dir too.
"""

from keras_inr.cli import messages, startup

if __name__ == "__main__":
    startup.start("hash_upscaler")

import dataclasses
import functools
import hashlib
import json
import pathlib
import sys

import keras
import numpy as np
import tensorflow as tf
from absl import flags
from PIL import Image

from experiments.files import ROOT, put_between, write_csv, write_json
from experiments.hash_upscaler import pages
from experiments.pictures import reduced
from keras_inr.errors import InputError
from keras_inr.metrics import finite, psnr, ssim
from keras_inr.models.field import to_uint8
from keras_inr.presets import from_preset
from keras_inr.rendering.png import save_png
from keras_inr.runs.facts import device_name
from keras_inr.signals.image import load_image
from keras_inr.signals.resampling import resampled
from keras_inr.training.fitting import fit
from keras_inr.training.recipe import Recipe

FLAGS = flags.FLAGS
HERE = pathlib.Path(__file__).resolve().parent
# the source's files; the first four have outputs that it committed
PICTURES = {
    "girl_128": "girl_128.png",
    "waves": "waves.jpg",
    "empire_state": "empire_state.jpg",
    "colors": "colors.jpg",
    "gradient": "gradient.jpeg",
}
TUNING = {"motorcycle": {"source": "sample:motorcycle_left", "crop": (0, 120, 500, 500), "size": (256, 256)}}
RATES, TUNING_STEPS = (0.0025, 0.005, 0.01, 0.02, 0.04, 0.08), 600
# learning rates: the best of RATES on the picture in TUNING
METHODS = {
    "cell_grid": {"preset": "cell_grid", "sampling": "continuous", "learning_rate": 0.04},
    "cell_grid_4": {"preset": "cell_grid_4", "sampling": "continuous", "learning_rate": 0.04},
    "cell_grid_smooth": {"preset": "cell_grid_smooth", "sampling": "continuous", "learning_rate": 0.04},
    "cell_grid_pixels": {"preset": "cell_grid", "sampling": "random", "learning_rate": 0.04},
    "cell_grid_source": {"preset": "cell_grid_source", "sampling": "random", "learning_rate": 0.01},
}
FACTORS = {"pixels": 1, "enlargement": 2}
BATCH_SIZE = 8192
SHOWN = "cell_grid"
"""The method of the figure."""
COLUMNS = ("part", "picture", "method", "preset", "sampling", "learning_rate", "steps", "points_per_step", "seed")
COLUMNS += ("image", "image_sha256", "height", "width", "num_parameters", "psnr_db", "ssim", "psnr_fitted_db")
COLUMNS += ("steps_to_published", "seconds_to_published", "train_seconds", "setup_seconds", "device", "tensorflow")
COLUMNS += tuple(f"{name}_{measure}" for name in pages.FILTERS for measure in ("psnr_db", "ssim"))
OUTPUT_COLUMNS = ("picture", "output", "output_sha256", "psnr_db", "psnr_bicubic_db", "ours_psnr_db")
DETAIL = {"girl_128": (40, 36, 40), "waves": (60, 80, 56), "empire_state": (150, 190, 100), "colors": (220, 300, 120)}
"""Top, left and side of what the figure shows closer, in pixels of the picture."""


def define_flags():
    flags.DEFINE_string("pictures_dir", None, "folder of the source's pictures and its committed outputs")
    flags.DEFINE_enum("part", "all", ["all", "run", "report", "rates"], "what to do")
    flags.DEFINE_list("pictures", list(PICTURES), "which of them")
    flags.DEFINE_list("methods", list(METHODS), "which of them")
    flags.DEFINE_integer("epochs", 500, "of every fit, one as many points as the picture has pixels", lower_bound=1)
    flags.DEFINE_integer("seed", 0, "of initial weights and batches", lower_bound=0)
    flags.DEFINE_string("runs", str(ROOT / "runs" / "hash_upscaler"), "folder where finished fits are kept")
    flags.DEFINE_string("out", str(HERE), "folder with the README and results/")


def main(argv):
    for name, allowed in (("pictures", PICTURES), ("methods", METHODS)):
        if not FLAGS[name].value or not set(FLAGS[name].value) <= set(allowed):
            raise InputError(f"{name} must be some of {', '.join(allowed)}, received {','.join(FLAGS[name].value)}")
    if FLAGS.part == "rates":
        rates()
        return 0
    if FLAGS.pictures_dir is None:
        raise InputError("pictures_dir must be the folder of the source's pictures: girl_128.png, waves.jpg and others")
    if FLAGS.part != "report":
        for case in cases():
            row_of(case)
    if FLAGS.part != "run":
        report()
    return 0


def row_of(case):
    """The row of a fit, read or made."""
    row = finished(case) or measured(case)
    told = "exact" if row["psnr_db"] is None else f"{row['psnr_db']:.2f} dB"
    name = f"{case['picture']}, {case['part']}, {case['method']} at {case['learning_rate']:g}"
    messages.tell(f"{name}: {told}, SSIM {row['ssim']:.4f}, {row['train_seconds']:.0f} s")
    return row


def rates():
    """Fits at every rate; data in results/, a table in the README."""
    rows = [
        row_of({**case_of("pixels", picture, method), "steps": TUNING_STEPS, "learning_rate": rate})
        for picture in TUNING
        for method in FLAGS.methods
        for rate in RATES
    ]
    write_csv(pathlib.Path(FLAGS.out) / "results" / "rates.csv", COLUMNS, rows)
    publish("rates", pages.rate_table(rows))


def publish(name, table):
    """Prints a table, and puts it into the README if there is one."""
    readme = pathlib.Path(FLAGS.out) / "README.md"
    if readme.exists():
        put_between(readme, f"<!-- {name} -->", table)
    print(table)


def cases():
    """What decides how each fit ends."""
    return [
        case_of(part, picture, method) for picture in FLAGS.pictures for part in FACTORS for method in FLAGS.methods
    ]


def case_of(part, picture, method):
    signal = picture_of(picture)
    points = signal.height * signal.width / FACTORS[part] ** 2
    steps = max(1, round(FLAGS.epochs * points / BATCH_SIZE))
    common = {"steps": steps, "points_per_step": BATCH_SIZE, "seed": FLAGS.seed}
    return {"part": part, "picture": picture, "method": method, **METHODS[method], **common}


def path_of(case):
    """Where a fit's figures lie; its pictures lie beside them."""
    identity = [case, picture_of(case["picture"]).sha256]
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:8]
    return pathlib.Path(FLAGS.runs) / f"{case['picture']}-{case['part']}-{case['method']}-{digest}.json"


def finished(case):
    """The row that a fit left, None where there is none."""
    path = path_of(case)
    return json.loads(path.read_text()) if path.exists() else None


@functools.cache
def picture_of(name):
    """The picture, without its alpha channel where that says nothing."""
    if name in TUNING:
        picture = TUNING[name]
        return load_image(picture["source"], crop=picture["crop"], size=picture["size"])
    return load_image(str(pathlib.Path(FLAGS.pictures_dir, PICTURES[name])))


def measured(case):
    """Fits one field, leaves its row and its pictures, and gives the row."""
    keras.backend.clear_session()
    original = picture_of(case["picture"])
    factor = FACTORS[case["part"]]
    signal = original if factor == 1 else reduced(original, factor)
    shared = {"channels": signal.channels, "picture_size": signal.size, "seed": case["seed"]}
    field = from_preset(case["preset"], **shared)
    training = {name: case[name] for name in ("steps", "sampling", "learning_rate", "seed")}
    result = fit(field, signal, Recipe(batch_size=BATCH_SIZE, **training), progress=False)
    values = result.prediction if factor == 1 else field.sample_grid(*original.size)
    row = {
        **case,
        "image": pathlib.PurePath(original.source).name,
        "image_sha256": original.sha256,
        "height": original.height,
        "width": original.width,
        "num_parameters": field.count_params(),
        "psnr_db": finite(psnr(original.values, values)),
        "ssim": ssim(original.values, values),
        "psnr_fitted_db": finite(result.psnr_db),
        **passing(case, result),
        "train_seconds": result.train_seconds,
        "setup_seconds": result.setup_seconds,
        "device": device_name(),
        "tensorflow": tf.__version__,
    }
    leave(path_of(case), row, field)
    return row


def passing(case, result):
    """Steps and seconds to the end of the first round whose mean error is below that of the source's output."""
    expected = published()["psnr_db"].get(case["picture"])
    if expected is None or case["part"] != "pixels":
        return {}
    passed = next((row for row in result.rows if row["psnr_db"] is not None and row["psnr_db"] > expected), None)
    return {"steps_to_published": passed and passed["step"], "seconds_to_published": passed and passed["seconds"]}


def published():
    return json.loads((HERE / "expected.json").read_text())


def leave(path, row, field):
    """Writes what is shown, the picture four times as large, then the row, which says that all is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if (row["part"], row["method"]) == ("pixels", SHOWN):
        save_png(path.with_suffix(".png"), field.render(pages.ENLARGED * row["height"], pages.ENLARGED * row["width"]))
    write_json(path, row)


def report():
    """Data, tables and figure of the fits that there are."""
    rows = [finished(case) for case in cases()]
    if None in rows:
        raise InputError(f"{rows.count(None)} of {len(rows)} fits are missing in {FLAGS.runs}: run --part=run first")
    filters = {picture: measured_filters(picture) for picture in FLAGS.pictures}
    rows = [row | (filters[row["picture"]] if row["part"] == "enlargement" else {}) for row in rows]
    results = pathlib.Path(FLAGS.out) / "results"
    write_csv(results / "fits.csv", COLUMNS, rows)
    outputs = [measured_output(picture) for picture in FLAGS.pictures if output_of(picture).exists()]
    write_csv(results / "outputs.csv", OUTPUT_COLUMNS, outputs)
    publish("outputs", pages.output_table(rows, outputs))
    publish("pixels", pages.pixel_table(rows))
    publish("enlargement", pages.enlargement_table(rows))
    if SHOWN in FLAGS.methods and outputs:
        pages.draw([panels(row["picture"]) for row in outputs], results / "pictures.jpg")


def output_of(picture):
    """The file that the source committed, four times as large as the picture."""
    return pathlib.Path(FLAGS.pictures_dir, f"{picture}_published.jpeg")


def measured_output(picture):
    """What the source's output holds at the picture's own size, and what ours does likewise, by the mean of 4 x 4."""
    original = picture_of(picture)
    ours = load_image(str(path_of(case_of("pixels", picture, SHOWN)).with_suffix(".png")))
    theirs = load_image(str(output_of(picture)))
    bicubic = reduced(dataclasses.replace(original, values=enlarged(original)), pages.ENLARGED)
    small = reduced(theirs, pages.ENLARGED)
    return {
        "picture": picture,
        "output": output_of(picture).name,
        "output_sha256": theirs.sha256,
        "psnr_db": psnr(original.values, small.values),
        "psnr_bicubic_db": psnr(bicubic.values, small.values),
        "ours_psnr_db": psnr(original.values, reduced(ours, pages.ENLARGED).values),
    }


def enlarged(signal):
    """Values four times as large by bicubic interpolation."""
    return resampled(signal.values, *(pages.ENLARGED * side for side in signal.size), "bicubic")


def measured_filters(picture):
    """PSNR and SSIM of the filters' enlargements of the picture reduced by 2."""
    original = picture_of(picture)
    small = reduced(original, FACTORS["enlargement"])
    facts = {}
    for name in pages.FILTERS:
        values = resampled(small.values, *original.size, name)
        facts[f"{name}_psnr_db"] = finite(psnr(original.values, values))
        facts[f"{name}_ssim"] = ssim(original.values, values)
    return facts


def panels(picture):
    """(name, the three enlargements, the part of them that is shown closer) of a picture, for the figure."""
    original = picture_of(picture)
    whole = [
        to_uint8(enlarged(original)),
        np.asarray(Image.open(output_of(picture))),
        np.asarray(Image.open(path_of(case_of("pixels", picture, SHOWN)).with_suffix(".png"))),
    ]
    return picture, whole, [pages.ENLARGED * number for number in DETAIL[picture]]


if __name__ == "__main__":
    startup.run(sys.modules[__name__], sys.argv[1:])
