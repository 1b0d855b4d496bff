"""keras-inr fit of a picture that is large enough for a field of blocks."""

import contextlib
import dataclasses
import json
import pathlib
from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from absl import flags

from keras_inr.blocks.plan import BLOCK_SIDE, LARGE, BlockPlan, plan_blocks
from keras_inr.blocks.run import run_blocks
from keras_inr.blocks.work import fit_block
from keras_inr.choosing.goal import Goal
from keras_inr.cli import flagfile, messages, picture_flags, training_flags
from keras_inr.cli.block_worker import block_worker
from keras_inr.errors import ImageError, InputError
from keras_inr.fleet.cluster import ray_cluster
from keras_inr.metrics import psnr_text
from keras_inr.runs.folder import check_run_folder, holds_run, run_identity
from keras_inr.runs.plan import ARGUMENT_OF_UNIT, AUTO
from keras_inr.signals.large import LargeImage, needs_windows, open_image, pixels_of

FLAGS = flags.FLAGS
MISSED = 5
"""Exit code of a run that has not come to its goal in dB; all that it came to is written."""

BLOCK_HELP = (
    f"longest side of a block, in pixels, of a field of blocks; 0 for one field; by default {BLOCK_SIDE} for pictures "
    f"of more than {LARGE / 1e6:.0f} megapixels where no preset is given, and 0 for others"
)
SKIP_HELP = "of a TIFF that becomes a field of blocks: go on without strips and tiles that are damaged or missing"
NOT_OF_BLOCKS = ("weights", "mask", "size", "grow", "preview_every", "preview_format", "data_dir", "strategy")


def define_flags() -> None:
    """Defines --block_size and --skip_damaged."""
    flags.DEFINE_integer("block_size", None, BLOCK_HELP, lower_bound=0)
    flags.DEFINE_bool("skip_damaged", False, SKIP_HELP)


def define_machines() -> None:
    """Defines the flags of a Ray cluster."""
    told = "Ray cluster that fits the blocks of a field, such as auto; this process alone by default"
    flags.DEFINE_string("ray_address", None, told)
    flags.DEFINE_integer("cpus_per_task", 2, "cores that a block takes on a Ray cluster without GPUs", lower_bound=1)


def is_wanted() -> bool:
    """Whether the flags ask for a field of blocks, or leave it open for one that is large, or read by windows."""
    if FLAGS.resume and FLAGS.out is not None and holds_run(FLAGS.out):
        return run_identity(FLAGS.out).get("kind") == "blocks"
    if FLAGS.block_size is not None:
        return FLAGS.block_size > 0
    others = FLAGS["preset"].present and FLAGS.preset != AUTO
    given = any(FLAGS[name].value is not None for name in ("size", "mask", "weights"))
    if others or given:
        return False
    goal = None if FLAGS.goal is None else Goal.parse(FLAGS.goal)
    if goal is not None and goal.unit == "kB":
        return False
    if needs_windows(FLAGS.image):
        return True
    with contextlib.suppress(ImageError):  # which the other way tells
        return pixels_of(FLAGS.image) > LARGE
    return False


def main() -> int:
    """Fits as the flags tell; the exit code."""
    for name in NOT_OF_BLOCKS:
        if FLAGS[name].present and FLAGS[name].value != FLAGS[name].default:
            raise InputError(f"{name} must not be given for a field of blocks, received {FLAGS[name].value!r}")
    options = picture_flags.image_options(FLAGS) | ({"skip_damaged": True} if FLAGS.skip_damaged else {})
    with open_image(FLAGS.image, **options) as picture:
        plan = planned(picture, options)
        text = flagfile.text(values_of(plan))
        check_run_folder(FLAGS.out, plan.identity, FLAGS.resume, FLAGS.overwrite)
        if FLAGS.dry_run:
            print(json.dumps(plan.identity, indent=2))
            return 0
        call: dict[str, Any] = {"resume": FLAGS.resume, "overwrite": FLAGS.overwrite, "progress": FLAGS.progress}
        with elsewhere(picture) as execute:
            call |= {"execute": execute, "flags_text": text, "tell": messages.tell}
            folder, metrics = run_blocks(plan, picture, FLAGS.out, **call)
    print(summary(folder, metrics))
    return MISSED if metrics["goal_met"] is False else 0


def elsewhere(picture: LargeImage) -> contextlib.AbstractContextManager[Any]:
    """What gives the function that fits the blocks: a Ray cluster's; of a large picture without a GPU that of a process
    of its own; or None for this process.
    """
    if FLAGS.ray_address:
        return ray_cluster(FLAGS.ray_address, FLAGS.cpus_per_task, fit_block)
    if picture.height * picture.width > LARGE and not tf.config.get_visible_devices("GPU"):
        return block_worker(FLAGS.module)
    return contextlib.nullcontext()


def check_goal_of_resumed() -> None:
    """Raises an InputError for another goal than that of the run that is resumed, whose flags were put in front."""
    if not (FLAGS.resume and FLAGS.out is not None and holds_run(FLAGS.out)) or FLAGS.goal is None:
        return
    aim = Goal.parse(FLAGS.goal)
    name = ARGUMENT_OF_UNIT.get(aim.unit)
    kept = run_identity(FLAGS.out).get(name) if name is not None else None
    if name is not None and kept != aim.amount:
        raise InputError(f"goal must be that of the run, whose {name} is {kept!r}, received {aim}")


def planned(picture: LargeImage, options: Mapping[str, Any]) -> BlockPlan:
    """The plan that the flags describe."""
    check_goal_of_resumed()
    preset = FLAGS.preset if FLAGS["preset"].present else AUTO
    return plan_blocks(
        picture,
        pathlib.Path(FLAGS.image).expanduser(),
        preset,
        block_size=FLAGS.block_size or BLOCK_SIDE,
        image_options=options,
        arguments=training_flags.given_arguments() if preset == AUTO else training_flags.arguments(),
        recipe=training_flags.recipe(),
        goal=FLAGS.goal,
        goal_psnr_db=FLAGS.goal_psnr_db,
        max_seconds=FLAGS.max_seconds,
        max_parameters=FLAGS.max_parameters,
        precision=FLAGS.precision,
    )


def values_of(plan: BlockPlan) -> dict[str, Any]:
    """The flags that repeat a plan, name -> value."""
    goals = {"goal": None, "goal_psnr_db": plan.goal_psnr_db, "block_size": FLAGS.block_size or BLOCK_SIDE}
    return {"preset": plan.preset, **goals, **dataclasses.asdict(plan.recipe)}


def summary(folder: pathlib.Path, metrics: Mapping[str, Any]) -> str:
    """Lines that tell what was reached and where it is."""
    rows, columns = metrics["blocks"]
    psnr, ssim = psnr_text(metrics["psnr_db"]), "" if metrics["ssim"] is None else f", SSIM {metrics['ssim']:.4f}"
    at_goal = "" if metrics["goal"] is None else f"; {metrics['blocks_at_goal']} at {metrics['goal']}"
    model = (folder / "model.keras").stat().st_size / 1e6
    lines = [
        f"{rows} x {columns} blocks ({metrics['num_parameters']:,} parameters, {model:.1f} MB) on {metrics['image']} "
        f"({metrics['height']} x {metrics['width']}, channels: {metrics['channels']}){at_goal}",
        f"PSNR {psnr} over all pixels (rounded to 8 bits: {psnr_text(metrics['psnr_8bit_db'])}){ssim}",
        f"{metrics['train_seconds']:.1f} s of fits on {metrics['device']}",
        f"pictures: {folder}/comparison.png, {folder}/reconstruction.png   blocks: {folder}/blocks.csv",
        f"Keras: {folder}/model.keras   TensorFlow Serving: {folder}/saved_model   figures: {folder}/metrics.json",
    ]
    if metrics["goal_met"] is not None:
        lines.insert(2, f"goal {metrics['goal']}: {'reached' if metrics['goal_met'] else f'not reached ({psnr})'}")
    if metrics["pixels_lost"]:
        lines.insert(2, f"{metrics['pixels_lost']:,} pixels could not be read and are in no figure")
    return "\n".join(lines)
