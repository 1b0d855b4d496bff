"""Does it help to fit another picture first?

From the root of the repository:

    python -m experiments.prefit.study --images=../shared/data/cifar10_jpeg/train --networks=2x32,3x32 --part=run

For every network and every triple of pictures, with equal numbers of steps: A from scratch, A after B (of A's class), A
after C (of another class), from the same initial weights. Parts, by default both:

    run      fits --triples of pictures with each of --networks
    report   tables and figures of all fits in results/fits.csv

A triple's fits are kept as soon as they are done, in --runs; a report, and the end of a run, gathers them in fits.csv
of --results. Fits that are in either place are not made again, so that the study can be made in several sittings.
--images=crops is a stand-in with classes that is always there; --images=tfds:cifair10/train is the source's own.
--quick takes one small network and writes nothing but runs/prefit/quick/.
"""

from keras_inr.cli import messages, startup

if __name__ == "__main__":
    startup.start("prefit")

import dataclasses
import hashlib
import json
import pathlib
import sys

import tensorflow as tf
from absl import flags

from experiments.files import ROOT, write_json
from experiments.prefit import pages
from experiments.prefit.fits import GRID, fitted, parsed, triples_at_a_time
from experiments.prefit.triples import CROPS, draw_triples, listed, read_triples
from keras_inr.errors import InputError
from keras_inr.runs.facts import device_name
from keras_inr.training.many.many_fits import chunks
from keras_inr.training.recipe import Recipe

FLAGS = flags.FLAGS
HERE = pathlib.Path(__file__).resolve().parent


def define_flags():
    flags.DEFINE_list("images", CROPS, "crops, or pictures with classes: tfds:NAME/SPLIT, or folders DIR/CLASS/FILE")
    flags.DEFINE_string("data_dir", None, "folder of prepared TensorFlow Datasets")
    flags.DEFINE_list("networks", [str(network) for network in GRID], "LAYERSxWIDTH with commas between")
    flags.DEFINE_integer("triples", 20, "how many of pictures", lower_bound=1)
    flags.DEFINE_integer("first_triple", 0, "of those drawn by the seed: 20 gives the ones after the first 20", 0)
    flags.DEFINE_integer("steps", 2000, "of every fit, on all pixels", lower_bound=1)
    flags.DEFINE_integer("size", 32, "height and width that pictures are brought to", lower_bound=4)
    flags.DEFINE_float("learning_rate", 1e-4, "of Adam, before any plateau")
    flags.DEFINE_float("plateau_factor", 0.5, "what a plateau multiplies the learning rate by")
    flags.DEFINE_integer("plateau_patience", 500, "steps without improvement before it does", lower_bound=1)
    flags.DEFINE_integer("seed", 0, "of the draw of triples and of initial weights", 0, 10**6)
    flags.DEFINE_enum("part", "all", ["all", "run", "report"], "what to do")
    flags.DEFINE_bool("quick", False, "2x32 alone, 4 triples, 400 steps, where nothing else is said")
    flags.DEFINE_string("runs", str(ROOT / "runs" / "prefit"), "folder where finished fits are kept")
    flags.DEFINE_string("results", str(HERE / "results"), "folder for tables, figures and data")


def main(argv):
    if FLAGS.quick:
        for name, value in {"networks": "2x32", "triples": 4, "steps": 400}.items():
            FLAGS.set_default(name, value)
        FLAGS.runs = str(pathlib.Path(FLAGS.runs) / "quick")
        FLAGS.results = str(pathlib.Path(FLAGS.runs) / "results")
    networks = [parsed(text) for text in FLAGS.networks]
    if FLAGS.part != "report":
        recipe = recipe_of_flags()
        pictures = listed(FLAGS.images, FLAGS.size, FLAGS.data_dir)
        drawn = draw_triples(pictures, FLAGS.first_triple + FLAGS.triples, FLAGS.seed)[FLAGS.first_triple :]
        triples = read_triples(drawn, FLAGS.size, FLAGS.data_dir)
        done = {row["case"] for row in collected()}
        for network in networks:
            run(network, [triple for triple in triples if digest(network, triple, recipe) not in done], recipe)
    rows = pages.ordered(collected())
    if not rows:
        raise InputError(
            f"no fits are kept in {FLAGS.runs} or {FLAGS.results}: give the same flags with --part=run first"
        )
    results = pathlib.Path(FLAGS.results)
    pages.write_rows(results / "fits.csv", rows)
    if FLAGS.part == "run":
        return 0
    if not pages.first_set(rows):
        raise InputError(f"a report needs {pages.LEAST} of the first {pages.SET} triples with one network at least")
    print(pages.write(results, rows))
    return 0


def recipe_of_flags():
    return Recipe(
        steps=FLAGS.steps,
        sampling="full",
        learning_rate=FLAGS.learning_rate,
        schedule="plateau",
        plateau_factor=FLAGS.plateau_factor,
        plateau_patience=FLAGS.plateau_patience,
    )


def run(network, triples, recipe):
    """Makes and keeps the fits of some triples, as many at a time as are trained together."""
    if not triples:
        return
    for group in chunks(triples, triples_at_a_time(network, recipe, FLAGS.size)):
        found, seconds = fitted(network, group, recipe, progress=sys.stderr.isatty())
        for triple, fits in zip(group, found, strict=True):
            write_json(
                path_of(network, triple, recipe),
                {
                    **case_of(network, triple, recipe),
                    "case": digest(network, triple, recipe),
                    "num_parameters": network.field(seed=0).count_params(),
                    "images": FLAGS.images,
                    "pictures": {role: picture.name for role, picture in triple.pictures.items()},
                    "labels": {role: picture.label for role, picture in triple.pictures.items()},
                    "seconds": seconds / len(group),
                    "device": device_name(),
                    "tensorflow": tf.__version__,
                    "fits": fits,
                },
            )
        numbers = ", ".join(str(triple.number) for triple in group)
        messages.tell(f"{network}: triples {numbers} in {seconds:.0f} s")


def case_of(network, triple, recipe):
    """All that a triple's fits depend on."""
    return {
        "network": str(network),
        "layers": network.layers,
        "width": network.width,
        "triple": triple.number,
        "seed": triple.seed,
        "image_sha256": {role: signal.sha256 for role, signal in triple.signals.items()},
        "size": FLAGS.size,
        "recipe": dataclasses.asdict(recipe),
    }


def digest(network, triple, recipe):
    """Stands for all that a triple's fits depend on."""
    case = json.dumps(case_of(network, triple, recipe), sort_keys=True)
    return hashlib.sha256(case.encode()).hexdigest()[:8]


def path_of(network, triple, recipe):
    """Where a triple's fits are kept."""
    return pathlib.Path(FLAGS.runs, str(network), f"{triple.number:02d}-{digest(network, triple, recipe)}.json")


def collected():
    """The rows of all fits that are kept: those of fits.csv, and of the files in --runs that are not in it yet."""
    rows = pages.read_rows(pathlib.Path(FLAGS.results, "fits.csv"))
    known = {row["case"] for row in rows}
    for path in sorted(pathlib.Path(FLAGS.runs).glob("*x*/*.json")):
        record = json.loads(path.read_text())
        if record["case"] not in known:
            rows += pages.rows_of(record)
    return rows


if __name__ == "__main__":
    startup.run(sys.modules[__name__], sys.argv[1:])
