"""Cell grids in the layouts of HashGrid-AI-Upscaler: how well they learn photographs, and what they enlarge.

From the root of the repository:

    python -m experiments.hash_upscaler.study

Parts, the first two by default:

    run      fits every method to every picture, and to the picture reduced by 2, which it then enlarges again
    report   tables and figure in results/, tables in the README
    rates    fits every method at several learning rates to a picture that is not among them; the best are in METHODS

Fits are kept under runs/hash_upscaler/ and are not repeated, so that the command goes on where it was stopped.
"""

from keras_inr.cli import messages, startup

if __name__ == "__main__":
    startup.start("hash_upscaler")

import hashlib
import json
import pathlib
import sys

import keras
import numpy as np
import tensorflow as tf
from absl import flags
from PIL import Image

from experiments.files import ROOT, put_between, write_json
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
# the sizes of the source's four pictures; crops (top, left, height, width) keep the aspect
PICTURES = {
    "chelsea": {"source": "sample:chelsea", "crop": (0, 75, 300, 300), "size": (128, 128)},
    "coffee": {"source": "sample:coffee", "crop": (0, 100, 400, 400), "size": (258, 258)},
    "astronaut": {"source": "sample:astronaut", "crop": None, "size": (500, 500)},
    "hubble": {"source": "sample:hubble_deep_field", "crop": (7, 0, 857, 1000), "size": (600, 700)},
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
SHOWN = "coffee"
PART = (104, 96, 64, 96)  # top, left, height, width of what the figure enlarges, in pixels of the picture shown


def define_flags():
    flags.DEFINE_enum("part", "all", ["all", "run", "report", "rates"], "what to do")
    flags.DEFINE_list("pictures", list(PICTURES), "which of them")
    flags.DEFINE_list("methods", list(METHODS), "which of them")
    flags.DEFINE_integer("steps", 400, "of every fit", lower_bound=1)
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
    common = {"steps": TUNING_STEPS, "points_per_step": BATCH_SIZE, "seed": FLAGS.seed}
    rows = [
        row_of(
            {"part": "pixels", "picture": picture, "method": method, **METHODS[method], **common, "learning_rate": rate}
        )
        for picture in TUNING
        for method in FLAGS.methods
        for rate in RATES
    ]
    write_json(pathlib.Path(FLAGS.out) / "results" / "rates.json", {"format_version": 1, "rows": rows})
    publish("rates", pages.rate_table(rows))


def publish(name, table):
    """Prints a table, and puts it into the README if there is one."""
    readme = pathlib.Path(FLAGS.out) / "README.md"
    if readme.exists():
        put_between(readme, f"<!-- {name} -->", table)
    print(table)


def cases():
    """What decides how each fit ends."""
    common = {"steps": FLAGS.steps, "points_per_step": BATCH_SIZE, "seed": FLAGS.seed}
    return [
        {"part": part, "picture": picture, "method": method, **METHODS[method], **common}
        for picture in FLAGS.pictures
        for part in FACTORS
        for method in FLAGS.methods
    ]


def path_of(case):
    """Where a fit's figures lie; its pictures lie beside them."""
    digest = hashlib.sha256(json.dumps([case, chosen(case["picture"])], sort_keys=True).encode()).hexdigest()[:8]
    return pathlib.Path(FLAGS.runs) / f"{case['picture']}-{case['part']}-{case['method']}-{digest}.json"


def finished(case):
    """The row that a fit left, None where there is none."""
    path = path_of(case)
    return json.loads(path.read_text()) if path.exists() else None


def chosen(name):
    """Source, crop and size of a picture."""
    return {**PICTURES, **TUNING}[name]


def picture_of(name):
    picture = chosen(name)
    return load_image(picture["source"], crop=picture["crop"], size=picture["size"])


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
        "image": original.source,
        "image_sha256": original.sha256,
        "height": original.height,
        "width": original.width,
        "num_parameters": field.count_params(),
        "epochs": case["steps"] / max(1, signal.height * signal.width // BATCH_SIZE),
        "psnr_db": finite(psnr(original.values, values)),
        "ssim": ssim(original.values, values),
        "psnr_fitted_db": finite(result.psnr_db),
        "train_seconds": result.train_seconds,
        "setup_seconds": result.setup_seconds,
        "device": device_name(),
        "tensorflow": tf.__version__,
    }
    leave(path_of(case), row, values, field)
    return row


def leave(path, row, values, field):
    """Writes pictures, then the row, which says that all is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_png(path.with_suffix(".png"), to_uint8(values))
    if row["picture"] == SHOWN:
        save_png(path.with_suffix(".part.png"), enlarged_part(field, row["height"], row["width"]))
    write_json(path, row)


def enlarged_part(field, height, width):
    """PART four times as large, from between the pixels."""
    top, left, rows, columns = PART
    longer = max(height, width)
    box = [2 * left - width, 2 * top - height, 2 * (left + columns) - width, 2 * (top + rows) - height]
    return field.render(pages.ENLARGED * rows, pages.ENLARGED * columns, box=tuple(edge / longer for edge in box))


def report():
    """Data, tables and figure of the fits that there are."""
    rows = [finished(case) for case in cases()]
    if None in rows:
        raise InputError(f"{rows.count(None)} of {len(rows)} fits are missing in {FLAGS.runs}: run --part=run first")
    filters = {picture: measured_filters(picture) for picture in FLAGS.pictures}
    rows = [row | (filters[row["picture"]] if row["part"] == "enlargement" else {}) for row in rows]
    results = pathlib.Path(FLAGS.out) / "results"
    write_json(results / "results.json", {"format_version": 1, "rows": rows})
    tables = {"pixels": pages.pixel_table(rows), "enlargement": pages.enlargement_table(rows)}
    for name, table in tables.items():
        publish(name, table)
    if SHOWN in FLAGS.pictures:
        draw(results / "pictures.png")


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


def draw(path):
    """The figure: one picture by every method, and a part of it enlarged."""
    original = picture_of(SHOWN)
    height, width = (pages.ENLARGED * side for side in original.size)
    top, left, rows, columns = (pages.ENLARGED * number for number in PART)
    bicubic = to_uint8(resampled(original.values, height, width, "bicubic"))[top : top + rows, left : left + columns]
    fields = []
    for case in cases():
        if (case["picture"], case["part"]) == (SHOWN, "pixels"):
            files = [path_of(case).with_suffix(ending) for ending in (".png", ".part.png")]
            pictures = [np.asarray(Image.open(file)) for file in files]
            fields.append((case["method"], finished(case)["psnr_db"], *pictures))
    pages.draw(to_uint8(original.values), bicubic, fields, path)


if __name__ == "__main__":
    startup.run(sys.modules[__name__], sys.argv[1:])
