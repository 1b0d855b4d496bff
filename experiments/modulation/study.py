"""One network for many pictures, a latent for each.

From the root of the repository: python -m experiments.modulation.study

Reconstruction PSNR of crops of photographs against the length of the latent, for shift and FiLM modulations, beside
principal components, reduced pictures and a SIREN for each picture alone. Parts, each of which goes on where it was
stopped; all of them by default:

    modulated  every modulation x latent size x seed, then latents of held-out pictures with what is shared frozen
    alone      a SIREN for every held-out picture
    report     baselines, table, figure and CSV

--quick takes few pictures, two latent sizes, one seed, one SIREN alone and fewer steps, and writes nothing but
runs/modulation/quick/. Run it on an idle machine.
"""

from keras_inr.cli import messages, startup

if __name__ == "__main__":
    startup.start("modulation")

import functools
import hashlib
import json
import pathlib
import sys

import keras
import numpy as np
import tensorflow as tf
from absl import flags

from experiments.files import ROOT, put_between, whole_numbers, write_csv, write_json
from experiments.modulation import baselines, pages
from keras_inr.datasets.crops import PHOTOGRAPHS, TEST_EVERY, photo_crops
from keras_inr.errors import InputError
from keras_inr.metrics import psnr
from keras_inr.models.modulated_siren import MODULATIONS, ModulatedSiren
from keras_inr.models.siren import Siren
from keras_inr.runs.facts import device_name
from keras_inr.signals.image import load_image
from keras_inr.training.many.many_fits import fit_many
from keras_inr.training.many.modulated_fits import fit_modulated, nearest
from keras_inr.training.recipe import Recipe

FLAGS = flags.FLAGS
HERE = pathlib.Path(__file__).resolve().parent
PARTS = ("modulated", "alone", "report")
RESULTS = HERE / "results"
MARKER = "<!-- modulation -->"
UNITS = (96, 96, 96, 96)
ALONE = ((8, 8), (16, 16), (32, 32))
ALONE_POINTS = 256
MOST_DB = 150.0  # float32 has no more; also stands for a picture that is exact
PLAN = ("latents", "modulations", "seeds", "held_out", "window", "most", "most_tested", "steps", "latent_steps")
PLAN += ("alone_steps", "batch_size", "learning_rate", "latent_learning_rate", "alone_learning_rate")
ROW = ("method", "numbers", "seed", "set", "num_pictures", "psnr_db", "lowest_psnr_db", "shared_numbers", "steps")
ROW += ("points_per_step", "learning_rate", "train_seconds", "device", "tensorflow", "crops_sha256")


def define_flags():
    flags.DEFINE_list("latents", ["16", "32", "64", "128", "256", "512"], "numbers a picture")
    flags.DEFINE_list("modulations", list(MODULATIONS), "shift, film or both")
    flags.DEFINE_list("seeds", ["0", "1"], "seeds of initial weights and batches")
    flags.DEFINE_list("held_out", ["chelsea", "coffee"], "photographs that have no part in the shared weights")
    flags.DEFINE_enum("part", "all", ["all", *PARTS], "what to do")
    flags.DEFINE_integer("window", 48, "side of what a crop shows, reduced to 32", lower_bound=32)
    flags.DEFINE_integer("most", 156, "crops of a photograph, evenly spread", lower_bound=4)
    flags.DEFINE_integer("most_tested", 64, "pictures of each held-out set, evenly spread", lower_bound=1)
    flags.DEFINE_integer("steps", 700, "of shared weights and training latents", lower_bound=10)
    flags.DEFINE_integer("latent_steps", 500, "of the latents of held-out pictures", lower_bound=10)
    flags.DEFINE_integer("alone_steps", 800, "of a SIREN for each picture", lower_bound=10)
    flags.DEFINE_integer("batch_size", 20, "points of every training picture in a step", lower_bound=1)
    flags.DEFINE_float("learning_rate", 1e-3, "of shared weights and training latents")
    flags.DEFINE_float("latent_learning_rate", 3e-3, "of the latents of held-out pictures")
    flags.DEFINE_float("alone_learning_rate", 3e-3, "of a SIREN for each picture")
    flags.DEFINE_bool("quick", False, "few pictures, two latent sizes, one seed, fewer steps")
    flags.DEFINE_string("runs", str(ROOT / "runs" / "modulation"), "folder where finished fits are kept")


def main(argv):
    for name, allowed in (("modulations", MODULATIONS), ("held_out", PHOTOGRAPHS)):
        unknown = set(FLAGS[name].value) - set(allowed)
        if unknown:
            raise InputError(f"{name} must be some of {', '.join(allowed)}, received {', '.join(sorted(unknown))}")
    whole_numbers("seeds", FLAGS.seeds)
    if not FLAGS.held_out or not set(PHOTOGRAPHS) - set(FLAGS.held_out):
        raise InputError(f"held_out must be some of {', '.join(PHOTOGRAPHS)} and not all, received {FLAGS.held_out}")
    whole_numbers("latents", FLAGS.latents, least=3)  # a grey level in three channels is the smallest picture
    if FLAGS.quick:
        FLAGS.latents, FLAGS.seeds, FLAGS.window, FLAGS.most = FLAGS.latents[::2][:2], FLAGS.seeds[:1], 128, 16
        FLAGS.steps, FLAGS.latent_steps, FLAGS.alone_steps = 100, 60, 60
        FLAGS.runs = str(pathlib.Path(FLAGS.runs) / "quick")
    parts = PARTS if FLAGS.part == "all" else (FLAGS.part,)
    for part in parts:
        {"modulated": run_modulated, "alone": run_alone, "report": report}[part]()
    return 0


@functools.cache
def pictures():
    """{"train", "same", "other"} -> float32 (K, 32, 32, 3), see README.md."""
    found = {name: [] for name in pages.SETS}
    for name, crops in photo_crops(32, FLAGS.window).items():
        for number, crop in enumerate(spread(crops, FLAGS.most)):
            tested = number % TEST_EVERY == TEST_EVERY - 1
            found["other" if name in FLAGS.held_out else "same" if tested else "train"].append(crop / 255)
    for name in ("same", "other"):
        found[name] = spread(found[name], FLAGS.most_tested)
    return {name: np.asarray(crops, "float32") for name, crops in found.items()}


def spread(items, most):
    """At most so many of the items, evenly spread."""
    places = np.linspace(0, len(items) - 1, min(most, len(items))).round().astype(int)
    return [items[place] for place in places]


@functools.cache
def crops_sha256():
    return hashlib.sha256(b"".join(array.tobytes() for array in pictures().values())).hexdigest()


def run_modulated():
    return [
        row
        for seed in FLAGS.seeds
        for modulation in FLAGS.modulations
        for latent_dim in FLAGS.latents
        for row in modulated(modulation, int(latent_dim), int(seed))
    ]


def modulated(modulation, latent_dim, seed):
    """Rows of the three sets, read or made."""
    case = {"method": modulation, "numbers": latent_dim, "seed": seed, "units": UNITS}
    case |= {name: FLAGS[name].value for name in ("steps", "latent_steps", "batch_size")}
    case |= {name: FLAGS[name].value for name in ("learning_rate", "latent_learning_rate")}
    return kept("modulated", f"{modulation}-{latent_dim}-{seed}", case, fit_shared)


def fit_shared(case):
    """The fit of shared weights on the training pictures, and of the held-out pictures' latents."""
    keras.backend.clear_session()
    train = signals("train")
    arguments = {"modulation": case["method"], "units": UNITS, "seed": case["seed"]}
    model = ModulatedSiren(len(train), case["numbers"], **arguments)
    settings = {"progress": False, "seed": case["seed"]}
    recipe = {"steps": case["steps"], "batch_size": case["batch_size"], "learning_rate": case["learning_rate"]}
    result = fit_modulated(model, train, **recipe, **settings)
    facts = {"shared_numbers": model.count_params() - len(train) * case["numbers"]}
    facts["points_per_step"] = len(train) * case["batch_size"]
    rows = [measured(case, "train", result.psnr_db, result.train_seconds, **facts)]
    held = [*signals("same"), *signals("other")]
    points = max(1, facts["points_per_step"] // len(held))
    rate = case["latent_learning_rate"]
    recipe = {"steps": case["latent_steps"], "batch_size": points, "learning_rate": rate, "train": "latents"}
    result = fit_modulated(model.for_pictures(len(held), nearest(model, held)), held, **recipe, **settings)
    facts |= {"steps": case["latent_steps"], "points_per_step": points * len(held), "learning_rate": rate}
    number = len(signals("same"))
    for name, figures in (("same", result.psnr_db[:number]), ("other", result.psnr_db[number:])):
        rows.append(measured(case, name, figures, result.train_seconds, **facts))
    return rows


def run_alone():
    return [row for units in (ALONE[1:2] if FLAGS.quick else ALONE) for row in alone(units)]


def alone(units):
    case = {"method": "alone", "numbers": Siren(units=units).count_params(), "seed": 0, "units": units}
    case |= {"steps": FLAGS.alone_steps, "learning_rate": FLAGS.alone_learning_rate}
    return kept("alone", "-".join(map(str, units)), case, fit_alone)


def fit_alone(case):
    """A SIREN for each held-out picture."""
    keras.backend.clear_session()
    rows = []
    for name in ("same", "other"):
        fields = [Siren(units=case["units"], seed=seed) for seed in range(len(signals(name)))]
        recipe = Recipe(steps=case["steps"], batch_size=ALONE_POINTS, learning_rate=case["learning_rate"])
        results = fit_many(fields, signals(name), recipe, progress=False)
        figures = [result.psnr_db for result in results]
        seconds = sum({result.train_seconds for result in results})  # one for each batch of fields
        rows.append(measured(case, name, figures, seconds, points_per_step=len(fields) * ALONE_POINTS))
    return rows


def signals(name):
    return [load_image(picture) for picture in pictures()[name]]


def kept(part, stem, case, make):
    """The rows of a case, read or made."""
    case = json.loads(json.dumps({**case, "crops_sha256": crops_sha256()}))
    digest = hashlib.sha256(json.dumps(case, sort_keys=True).encode()).hexdigest()[:8]
    path = pathlib.Path(FLAGS.runs) / part / f"{stem}-{digest}.json"
    if not path.exists():
        write_json(path, {"case": case, "rows": make(case)})
    rows = json.loads(path.read_text())["rows"]
    told = ", ".join(f"{row['set']} {row['psnr_db']:.2f} dB" for row in rows)
    messages.tell(f"{part} {stem}: {told} ({sum(row['train_seconds'] for row in rows):.1f} s)")
    return rows


def measured(case, which, figures, seconds=None, **facts):
    """A row: the mean over the pictures of a set."""
    figures = np.minimum(figures, MOST_DB)
    row = {**case, "set": which, "num_pictures": len(figures), "train_seconds": seconds, "device": device_name()}
    row |= {"psnr_db": float(figures.mean()), "lowest_psnr_db": float(figures.min()), "tensorflow": tf.__version__}
    row |= {"crops_sha256": crops_sha256(), **facts}
    return {name: row.get(name) for name in ROW}


def baseline_rows():
    """Principal components and reduced pictures of every set."""
    rows = []
    train = pictures()["train"]
    mean, components = baselines.principal_components(train, max(map(int, FLAGS.latents)))
    for numbers in map(int, FLAGS.latents):
        size = baselines.reduced_size(*train.shape[1:], numbers)
        for name, originals in pictures().items():
            case = {"method": "pca", "numbers": numbers}
            drawn = baselines.projected(originals, mean, components[:numbers])
            shared_numbers = mean.size + components[:numbers].size
            rows.append(measured(case, name, psnrs(originals, drawn), shared_numbers=shared_numbers))
            for method in baselines.FILTERS:
                drawn = baselines.reduced(originals, size, method)
                rows.append(measured({**case, "method": method}, name, psnrs(originals, drawn), shared_numbers=0))
    return rows


def psnrs(originals, drawn):
    """The PSNR of each picture, clamped."""
    return [psnr(original, values) for original, values in zip(originals, drawn.astype("float32"), strict=True)]


def report():
    """Table, figure and CSV of what the other parts left; only a table with flags of one's own."""
    rows = [*run_modulated(), *run_alone(), *baseline_rows()]
    table = pages.table(rows)
    if as_published():
        write_csv(RESULTS / "runs.csv", ROW, rows)
        pages.draw(rows, RESULTS / "psnr.png")
        put_between(HERE / "README.md", MARKER, f"{table}\n![PSNR against latent size](results/psnr.png)\n")
    print(table)
    if not as_published():
        messages.tell("published results are left as they are: they are made with the default flags")


def as_published():
    """Whether the flags are those that the published results are made with."""
    own = [name for name in PLAN if FLAGS[name].value != FLAGS[name].default]
    return not FLAGS.quick and not own


if __name__ == "__main__":
    startup.run(sys.modules[__name__], sys.argv[1:])
