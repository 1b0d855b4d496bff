"""Fits every picture of a folder or a data set: keras-inr fit-many --images=photos/ --preset=multi_hash

Per picture a model, its figures and a preview; one manifest (CSV and Parquet) of all. Exit code 0 when all were fitted
(and exported, with --export), 4 when some could not be, 2 when nothing could start, 1 when a flag cannot be read or the
system refuses (a full disk), 130 after Ctrl-C; --resume goes on and tries again what failed.
"""

import contextlib
import pathlib
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from absl import flags

from keras_inr.cli import picture_flags, training_flags
from keras_inr.cli.help import group
from keras_inr.datasets.pictures import list_pictures
from keras_inr.errors import InputError
from keras_inr.fleet.cluster import ray_cluster
from keras_inr.fleet.places import SAVED_MODEL
from keras_inr.fleet.plan import FleetPlan
from keras_inr.fleet.run import run_fleet
from keras_inr.fleet.store import all_done
from keras_inr.fleet.work import FAILED, FITTED
from keras_inr.runs.folder import holds_run, run_identity
from keras_inr.runs.layout import whole_versions
from keras_inr.runs.plan import recipe_for

FLAGS = flags.FLAGS
SOME_FAILED = 4
FAILURES_SHOWN = 10

IMAGES_HELP = (
    "folder:DIR or a folder, tfds:NAME/SPLIT or tfds:NAME/SPLIT[:100], sample:*, or pictures as keras-inr fit takes "
    "them, with commas between"
)
EXPORT_HELP = (
    "also write pictures/NAME/saved_model/ for TensorFlow Serving, some seconds a picture, after all are fitted; "
    "with --resume for pictures that were fitted before, too"
)


preset_flags = training_flags.preset_flags


def define_flags() -> None:
    """Defines the flags of the command."""
    with group("Pictures"):
        flags.DEFINE_list("images", None, IMAGES_HELP)
        picture_flags.define_reading()
    with group("Goal"):
        flags.DEFINE_float("goal_psnr_db", None, "each picture's fit stops at this PSNR, in dB")
    with group("Run folder"):
        flags.DEFINE_string("out", None, "run folder; a new numbered one under runs/ by default")
        flags.DEFINE_bool("resume", False, "go on with the run in --out")
        flags.DEFINE_bool("export", False, EXPORT_HELP)
        flags.DEFINE_bool("history", False, "also write pictures/NAME/history.csv, the curve of each fit")
        flags.DEFINE_bool("progress", True, "tell how far it is")
    with group("Machines"):
        flags.DEFINE_integer("pictures_per_task", 64, "the most pictures that are fitted together", lower_bound=1)
        flags.DEFINE_string("ray_address", None, "Ray cluster to work on, such as auto; this process alone by default")
        flags.DEFINE_integer("cpus_per_task", 2, "cores that a task takes on a Ray cluster without GPUs", lower_bound=1)
    training_flags.define()


def main(argv: list[str]) -> int:
    """Fits all pictures that the flags name; the exit code."""
    if not FLAGS.images:
        raise InputError("images must be given: a folder, tfds:NAME/SPLIT, sample:*, or pictures with commas between")
    pictures = list_pictures(FLAGS.images, FLAGS.data_dir)
    plan = FleetPlan(
        preset=FLAGS.preset,
        recipe=recipe_for(FLAGS.preset, training_flags.recipe(), recipe_of_resumed()),
        arguments=training_flags.arguments(),
        weights=FLAGS.weights,
        image_options=picture_flags.reading_options(FLAGS),
        precision=FLAGS.precision,
        goal_psnr_db=FLAGS.goal_psnr_db,
        pictures_per_task=FLAGS.pictures_per_task,
    )
    cluster = ray_cluster(FLAGS.ray_address, FLAGS.cpus_per_task) if FLAGS.ray_address else contextlib.nullcontext()
    with cluster as execute:
        call = {"resume": FLAGS.resume, "execute": execute, "progress": FLAGS.progress}
        folder, rows = run_fleet(pictures, plan, FLAGS.out, **call, export=FLAGS.export, history=FLAGS.history)
    print(summary(folder, rows, FLAGS.export))
    return 0 if all_done(rows, FLAGS.export) else SOME_FAILED


def _has_versions(model):
    """Whether there are exports beside a picture's model."""
    return bool(whole_versions(model.with_name(SAVED_MODEL)))


def recipe_of_resumed() -> dict[str, Any] | None:
    """The recipe of the run that --resume goes on with; None where there is none."""
    if not FLAGS.resume or not FLAGS.out or not holds_run(FLAGS.out):
        return None
    recipe = run_identity(FLAGS.out).get("recipe")
    return recipe if isinstance(recipe, dict) else None  # a damaged one is told of when runs are compared


def summary(folder: pathlib.Path, rows: Sequence[Mapping[str, Any]], export: bool = False) -> str:
    """How many were fitted, and exported, and how well, what failed, and where it is."""
    fitted, failed = ([row for row in rows if row["status"] == status] for status in (FITTED, FAILED))
    lines = [f"{len(fitted)} of {len(rows)} pictures fitted"]
    if fitted:
        known = sorted(row["psnr_db"] for row in fitted if row["psnr_db"] is not None)
        exact = f", {len(fitted) - len(known)} exact" if len(known) < len(fitted) else ""
        middle = (
            f", PSNR from {known[0]:.2f} to {known[-1]:.2f} dB, median {statistics.median(known):.2f} dB"
            if known
            else ""
        )
        lines[0] += middle + exact
    if export:
        lines[0] += f"; {sum(row['saved_model'] is not None for row in fitted)} exported"
        failed += [row for row in fitted if row["saved_model"] is None]
    elif stale := sum(row["saved_model"] is None and _has_versions(folder / row["model"]) for row in fitted):
        lines.append(f"{stale} of them with an export of an earlier model: --resume --export replaces it")
    lines += [f"{row['name']}: {row['reason']}" for row in failed[:FAILURES_SHOWN]]
    lines += [f"and {len(failed) - FAILURES_SHOWN} more, see the manifest"] if len(failed) > FAILURES_SHOWN else []
    lines.append(f"models and previews: {folder}/pictures   manifest: {folder}/manifest.csv, {folder}/manifest.parquet")
    return "\n".join(lines)
