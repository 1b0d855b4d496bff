"""The recipe of every preset: its best learning rate under each optimizer, and the better optimizer.

From the root of the repository: python -m experiments.recipes.study

Every preset is fitted as it is, by Adam and by Muon, to a photograph. The search for a rate begins at the optimizer's
usual one and climbs by steps of sqrt(10), with one more step of 10^(1/4) to both sides of the best. Fits that are done
are kept in --runs and not made again. The result is keras_inr/recipes.json, which `Field.recipes` and `fit` take from,
and the table of this folder's README.
"""

from keras_inr.cli import messages, startup

if __name__ == "__main__":
    startup.start("recipes")

import hashlib
import json
import math
import pathlib
import statistics
import sys

import tensorflow as tf
from absl import flags

from experiments.files import ROOT, put_between, write_json
from keras_inr.errors import DivergedError, InputError
from keras_inr.presets import RECIPES, from_preset, list_presets
from keras_inr.runs.facts import device_name
from keras_inr.signals.image import load_image
from keras_inr.training.fitting import fit
from keras_inr.training.recipe import Recipe

FLAGS = flags.FLAGS
HERE = pathlib.Path(__file__).resolve().parent
MARKER = "<!-- recipes -->"
STARTS = {"adam": 1e-3, "muon": 3.16e-3}
STEP, HALF_STEP = math.sqrt(10), 10**0.25
LEAST, MOST = 1e-5, 1.0
FLOOR_DB = 5.0  # of a fit that diverged


def define_flags():
    flags.DEFINE_list("images", ["sample:coffee"], "pictures with commas between")
    flags.DEFINE_list("presets", [], "some of the zoo; all by default")
    flags.DEFINE_integer("size", 128, "longer side of the pictures", lower_bound=16)
    flags.DEFINE_integer("batch_size", 2048, "points in a step", lower_bound=1)
    flags.DEFINE_integer("steps", 200, "of every fit", lower_bound=10)
    flags.DEFINE_string("runs", str(ROOT / "runs" / "recipes"), "folder where finished fits are kept")


def main(argv):
    names = [info.name for info in list_presets()]
    unknown = set(FLAGS.presets) - set(names)
    if unknown:
        raise InputError(f"presets must be some of {', '.join(names)}, received {', '.join(sorted(unknown))}")
    found = {name: best_of(name) for name in FLAGS.presets or names}
    whole = all(FLAGS[name].value == FLAGS[name].default for name in ("images", "size", "batch_size", "steps"))
    print(table(found))
    if whole and not FLAGS.presets:
        pictures = ", ".join(FLAGS.images)
        about = f"{pictures}, longer side {FLAGS.size}, {FLAGS.steps} steps of {FLAGS.batch_size} points, cosine"
        write_json(RECIPES, {"about": f"{about}; {device_name()}, TensorFlow {tf.__version__}", "presets": found})
        put_between(HERE / "README.md", MARKER, table(found))
    return 0


def best_of(preset):
    """optimizer -> its best rate and the PSNR there, the better optimizer first."""
    found = {}
    for optimizer in ("adam", "muon"):
        rates = {}
        climb(rates, STARTS[optimizer], STEP, lambda rate, optimizer=optimizer: mean_psnr(preset, optimizer, rate))
        rate = max(rates, key=rates.get)
        climb(rates, rate, HALF_STEP, lambda rate, optimizer=optimizer: mean_psnr(preset, optimizer, rate))
        rate = max(rates, key=rates.get)
        found[optimizer] = {"learning_rate": float(f"{rate:.2g}"), "psnr_db": round(rates[rate], 2)}
    return dict(sorted(found.items(), key=lambda item: -item[1]["psnr_db"]))


def climb(found, start, step, measure):
    """Adds rates to a dict rate -> PSNR by factors of a step, until the best has a worse one at each side."""
    rate = start
    found.setdefault(rate, measure(rate))
    for factor in (step, 1 / step):
        rate = max(found, key=found.get)
        while LEAST <= rate * factor <= MOST:
            following = float(f"{rate * factor:.3g}")
            if following not in found:
                found[following] = measure(following)
            if found[following] < found[rate]:
                break
            rate = following


def mean_psnr(preset, optimizer, rate):
    """The mean over the pictures."""
    return statistics.mean(psnr_of(preset, image, optimizer, rate) for image in FLAGS.images)


def psnr_of(preset, image, optimizer, rate):
    """PSNR of one fit, read or made."""
    case = {"preset": preset, "image": image, "optimizer": optimizer, "learning_rate": rate, "size": FLAGS.size}
    case |= {"steps": FLAGS.steps, "batch_size": FLAGS.batch_size}
    digest = hashlib.sha256(json.dumps(case, sort_keys=True).encode()).hexdigest()[:8]
    path = pathlib.Path(FLAGS.runs) / f"{preset}-{optimizer}-{rate:g}-{digest}.json"
    if not path.exists():
        write_json(path, {**case, **measured(preset, image, optimizer, rate)})
    row = json.loads(path.read_text())
    messages.tell(f"{preset} {optimizer} {rate:g} on {image}: {row['psnr_db']:.2f} dB in {row['seconds']:.1f} s")
    return row["psnr_db"]


def measured(preset, image, optimizer, rate):
    """What one fit comes to."""
    signal = load_image(image, size=FLAGS.size)
    field = from_preset(preset, channels=signal.channels, picture_size=signal.size, seed=0)
    recipe = Recipe(steps=FLAGS.steps, batch_size=FLAGS.batch_size, optimizer=optimizer, learning_rate=rate)
    field.recipes = {}  # which are what is looked for
    try:
        result = fit(field, signal, recipe, progress=False)
    except DivergedError:
        return {"psnr_db": FLOOR_DB, "seconds": 0.0}
    return {"psnr_db": result.psnr_db, "seconds": result.train_seconds}


def table(found):
    """Markdown rows of presets, the best first."""
    lines = ["| preset | Adam's rate | PSNR (dB) | Muon's rate | PSNR (dB) |", "| --- | ---: | ---: | ---: | ---: |"]
    for name, by in sorted(found.items(), key=lambda item: -max(row["psnr_db"] for row in item[1].values())):
        cells = [
            f"{by[o][key]:{kind}}"
            for o in ("adam", "muon")
            for key, kind in (("learning_rate", "g"), ("psnr_db", ".2f"))
        ]
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    startup.run(sys.modules[__name__], sys.argv[1:])
