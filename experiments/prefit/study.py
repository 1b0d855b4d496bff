"""Does it help to fit another picture first?

From the root of the repository: python -m experiments.prefit.study

For every network of a grid and every triple of pictures, with equal numbers of steps: A from scratch, A after B (of A's
class), A after C (of another class), from the same initial weights. Parts, by default the first and the last:

    run       all fits of --networks; each triple's are kept as soon as they are done, and are not made again
    estimate  times some calls of the training function of each network of --networks that is not run yet, and tells
              the hours of the whole grid
    report    tables, figures and CSV of the networks that are run in full, and the hours of the whole grid

--images=crops is a stand-in with classes that is always there; --images=tfds:cifair10/train is the source's own.
--quick takes one small network and writes nothing but runs/prefit/quick/. Run it on an idle machine.
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
from experiments.prefit.fits import GRID, PLAN, fitted, parsed, timed, triples_at_a_time
from experiments.prefit.triples import CROPS, draw_triples, listed, read_triples
from keras_inr.errors import InputError
from keras_inr.runs.facts import device_name
from keras_inr.training.many.many_fits import chunks
from keras_inr.training.recipe import Recipe

FLAGS = flags.FLAGS
HERE = pathlib.Path(__file__).resolve().parent
TIMED_CALLS, TIMED_SECONDS = 20, 10.0


def define_flags():
    flags.DEFINE_list("images", CROPS, "crops, or pictures with classes: tfds:NAME/SPLIT, or folders DIR/CLASS/FILE")
    flags.DEFINE_string("data_dir", None, "folder of prepared TensorFlow Datasets")
    flags.DEFINE_list("networks", [str(network) for network in GRID], "LAYERSxWIDTH with commas between")
    flags.DEFINE_integer("triples", 20, "of pictures", lower_bound=1)
    flags.DEFINE_integer("steps", 2000, "of every fit, on all pixels", lower_bound=1)
    flags.DEFINE_integer("size", 32, "height and width that pictures are brought to", lower_bound=4)
    flags.DEFINE_float("learning_rate", 1e-4, "of Adam, before any plateau")
    flags.DEFINE_float("plateau_factor", 0.5, "what a plateau multiplies the learning rate by")
    flags.DEFINE_integer("plateau_patience", 500, "steps without improvement before it does", lower_bound=1)
    flags.DEFINE_integer("seed", 0, "of the draw of triples and of initial weights", 0, 10**6)
    flags.DEFINE_enum("part", "all", ["all", "run", "estimate", "report"], "what to do")
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
    recipe = recipe_of_flags()
    drawn = draw_triples(listed(FLAGS.images, FLAGS.size, FLAGS.data_dir), FLAGS.triples, FLAGS.seed)
    triples = read_triples(drawn, FLAGS.size, FLAGS.data_dir)
    if FLAGS.part in ("all", "run"):
        for network in networks:
            run(network, triples, recipe)
    if FLAGS.part == "estimate":
        for network in networks:
            estimate(network, triples, recipe)
        print(pages.hours_table(costs(networks, triples, recipe)))
    if FLAGS.part in ("all", "report"):
        report(networks, triples, recipe)
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
    """Makes and keeps the fits of all triples that are not kept yet, as many at a time as are trained together."""
    missing = [triple for triple in triples if not path_of(network, triple, recipe).exists()]
    if not missing:
        return
    for group in chunks(missing, triples_at_a_time(network, recipe, FLAGS.size)):
        found, seconds = fitted(network, group, recipe, progress=sys.stderr.isatty())
        for triple, fits in zip(group, found, strict=True):
            write_json(
                path_of(network, triple, recipe),
                {
                    **case_of(network, triple, recipe),
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


def path_of(network, triple, recipe):
    """Where a triple's fits are kept."""
    case = json.dumps(case_of(network, triple, recipe), sort_keys=True)
    digest = hashlib.sha256(case.encode()).hexdigest()[:8]
    return pathlib.Path(FLAGS.runs, str(network), f"{triple.number:02d}-{digest}.json")


def estimate(network, triples, recipe):
    """Times a network that is not run yet."""
    if all(path_of(network, triple, recipe).exists() for triple in triples):
        return
    together = min(len(triples), triples_at_a_time(network, recipe, FLAGS.size))
    timing = timed(network, triples[:together], recipe, TIMED_CALLS, TIMED_SECONDS)
    write_json(timing_path(network), {**timing, "triples_together": together, "device": device_name()})
    messages.tell(
        f"{network}: {1000 * timing['seconds_per_field_step']:.3g} ms for a step of a field, {timing['steps']} steps"
    )


def timing_path(network):
    """A file for each device, so that hours of two machines are never added."""
    machine = hashlib.sha256(f"{device_name()} {tf.__version__}".encode()).hexdigest()[:8]
    return pathlib.Path(FLAGS.runs, "timing", f"{network}-{FLAGS.size}-{machine}.json")


def costs(networks, triples, recipe):
    """A `pages.Cost` for each network of the whole grid; the quick form's grid is what it takes."""
    planned = networks if FLAGS.quick else list(dict.fromkeys([*GRID, *networks]))
    return [cost(network, triples, recipe) for network in planned]


def cost(network, triples, recipe):
    kept = [json.loads(path.read_text()) for path in kept_paths(network, triples, recipe)]
    kept = [record for record in kept if record["device"] == device_name()]
    path = timing_path(network)
    timing = json.loads(path.read_text()) if path.exists() else None
    expected = None
    if timing:  # two stages are set up for as many triples as go together
        steps = len(PLAN) * recipe.steps
        expected = steps * timing["seconds_per_field_step"] + 2 * timing["setup_seconds"] / timing["triples_together"]
    devices = {entry["device"] for entry in [*kept, *([timing] if timing else [])]}
    return pages.Cost(str(network), [record["seconds"] for record in kept], len(triples), expected, devices)


def kept_paths(network, triples, recipe):
    paths = [path_of(network, triple, recipe) for triple in triples]
    return [path for path in paths if path.exists()]


def report(networks, triples, recipe):
    """Writes what is told of the networks of the whole grid that are run in full, and prints it."""
    records = []
    for network in dict.fromkeys([*networks, *GRID]):
        paths = kept_paths(network, triples, recipe)
        if len(paths) == len(triples):
            records += [json.loads(path.read_text()) for path in paths]
    if not records:
        raise InputError(f"no network is run in full in {FLAGS.runs}: give the same flags with --part=run first")
    print(pages.write(pathlib.Path(FLAGS.results), records, costs(networks, triples, recipe)))


if __name__ == "__main__":
    startup.run(sys.modules[__name__], sys.argv[1:])
