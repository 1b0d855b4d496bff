"""Compares networks on the same pictures: keras-inr compare --presets=siren,finer --images=photos/ --seeds=3

Every network has the same budget: --budget=2000steps or 30s, and perhaps 50kparameters, to which layers are scaled.
Leaves results.csv with a line for each fit, table.md, table.tex, curves.png and crops.png. Finished fits are kept:
--out=FOLDER --resume goes on. A network of your own joins by --module=mine.py, other settings by --variants=FILE.json.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

from absl import flags

from keras_inr.cli import messages, own_modules, picture_flags
from keras_inr.cli.fit_many import IMAGES_HELP, SOME_FAILED
from keras_inr.cli.help import group
from keras_inr.cli.preset_arguments import recipe_arguments
from keras_inr.comparing.budget import Budget
from keras_inr.comparing.plan import Comparison, Variant, read_variants
from keras_inr.comparing.run import RATES, run_comparison
from keras_inr.datasets.pictures import list_pictures
from keras_inr.errors import InputError
from keras_inr.fleet.cluster import ray_cluster
from keras_inr.fleet.work import FITTED, fit_each, fit_task
from keras_inr.presets import get_preset, list_presets

FLAGS = flags.FLAGS
BUDGET_HELP = (
    "what each fit may spend: 2000steps, or 30s of training by the pace of a pilot; and 50kparameters, to which the "
    "widths of layers are scaled; with a comma between"
)
VARIANTS_HELP = (
    'a JSON file of more networks: {"NAME": {"preset": "siren_paper", "arguments": {"omega_0": 10.0}, "recipe": '
    '{"learning_rate": 0.001}}, ...}'
)
SHARED = ("batch_size", "optimizer", "learning_rate", "schedule", "sampling")
"""Arguments of a recipe that may be given for all."""


def define_flags() -> None:
    """Defines the flags of the command."""
    with group("Networks"):
        flags.DEFINE_list("presets", [], "names of keras-inr list-presets, with commas between; or all")
        flags.DEFINE_string("variants", None, VARIANTS_HELP)
    own_modules.define()
    with group("Pictures"):
        flags.DEFINE_list("images", None, IMAGES_HELP)
        picture_flags.define_reading()
    with group("Fits"):
        flags.DEFINE_list("budget", ["2000steps"], BUDGET_HELP)
        flags.DEFINE_integer("seeds", 1, "how many seeds, 0, 1, ...; of initial weights and batches", lower_bound=1)
        rates = ", ".join(f"{rate:g}" for rate in RATES)
        flags.DEFINE_bool(
            "sweep_rates", False, f"find each network's learning rate among {rates}, half as long, on the first picture"
        )
        define: dict[Any, Any] = {int: flags.DEFINE_integer, float: flags.DEFINE_float, str: flags.DEFINE_string}
        for name in SHARED:
            kind, _, allowed, text = recipe_arguments()[name]
            text = f"{text} (for all networks; each preset's own by default)"
            flags.DEFINE_enum(name, None, allowed, text) if allowed else define[kind](name, None, text)
    with group("Run folder"):
        flags.DEFINE_string("out", None, "run folder; a new numbered one under runs/ by default")
        flags.DEFINE_bool("resume", False, "go on with the comparison in --out")
        flags.DEFINE_bool("progress", True, "tell how far each part is")
    with group("Machines"):
        flags.DEFINE_string("ray_address", None, "Ray cluster to work on, such as auto; this process alone by default")
        flags.DEFINE_integer("cpus_per_task", 2, "cores that a task takes on a Ray cluster without GPUs", lower_bound=1)


def main(argv: list[str]) -> int:
    """Compares what the flags name; the exit code."""
    if not FLAGS.images:
        raise InputError("images must be given: a folder, tfds:NAME/SPLIT, sample:*, or pictures with commas between")
    pictures = list_pictures(FLAGS.images, FLAGS.data_dir)
    comparison = Comparison(
        variants=variants(),
        seeds=tuple(range(FLAGS.seeds)),
        budget=Budget.parse(FLAGS.budget),
        recipe={name: FLAGS[name].value for name in SHARED if FLAGS[name].value is not None},
        sweep_rates=RATES if FLAGS.sweep_rates else None,
        image_options=picture_flags.reading_options(FLAGS),
    )
    with executors() as (together, alone):
        call: dict[str, Any] = {"together": together, "alone": alone, "progress": FLAGS.progress, "tell": messages.tell}
        folder, rows = run_comparison(pictures, comparison, FLAGS.out, FLAGS.resume, **call)
    print((folder / "table.md").read_text(encoding="utf-8"))
    print(f"every fit: {folder}/results.csv   tables: {folder}/table.md, {folder}/table.tex")
    print(f"pictures: {folder}/curves.png, {folder}/crops.png   models: {folder}/fits")
    return 0 if all(row["status"] == FITTED for row in rows) else SOME_FAILED


def variants() -> list[Variant]:
    """Those that the flags name."""
    names = [info.name for info in list_presets()] if FLAGS.presets == ["all"] else FLAGS.presets
    found = [Variant(get_preset(name).info.name, name) for name in names]
    found += read_variants(FLAGS.variants) if FLAGS.variants else []
    if not found:
        raise InputError("presets must be names of keras-inr list-presets with commas between, or all; received none")
    return found


@contextlib.contextmanager
def executors() -> Iterator[tuple[Any, Any]]:
    """Functions that fit pictures together and one by one: of a Ray cluster, or None for this process."""
    if not FLAGS.ray_address:
        yield None, None
        return
    with ray_cluster(FLAGS.ray_address, FLAGS.cpus_per_task, fit_task) as together:
        yield together, type(together)(together.ray, FLAGS.cpus_per_task, fit_each)
