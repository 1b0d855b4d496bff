"""Fits a field to a picture: keras-inr fit --image=my.jpg --preset=multi_hash --learning_rate=0.01

Leaves a run folder with the Keras model, a SavedModel for TensorFlow Serving, pictures, curves and figures. A run that
was stopped goes on with --out=FOLDER --resume. --flagfile=FOLDER/flags.cfg repeats a run.
"""

import json
import pathlib
from collections.abc import Mapping
from typing import Any

from absl import flags

from keras_inr.cli import block_fit, flagfile, messages, picture_flags, training_flags
from keras_inr.cli.block_fit import MISSED
from keras_inr.cli.help import group
from keras_inr.cli.list_presets import zoo
from keras_inr.errors import InputError
from keras_inr.metrics import psnr_text
from keras_inr.runs.fit_run import Display, check_image_fit, run_image_fit
from keras_inr.runs.folder import holds_run, run_identity
from keras_inr.runs.plan import AUTO, PlannedFit, plan_fit
from keras_inr.runs.previews import SUFFIXES
from keras_inr.training.strategies import STRATEGIES

FLAGS = flags.FLAGS
PREVIEW_HELP = "steps between preview pictures; each comes with the end of a round, about 1/200 of the run; 0 for none"
GOAL_HELP = "40dB or 30s: where to stop; with --preset=auto what to choose for, and then 50kB or 5MB too"

GROW_HELP = (
    "let a pixel grid become a larger one where its curve says that it will not reach the goal in dB; on by default "
    "with --preset=auto"
)

more_flags = flagfile.flags_of_resumed
preset_flags = training_flags.preset_flags


def define_flags() -> None:
    """Defines the flags of this command alone; others are in `picture_flags`, `training_flags` and `own_modules`."""
    with group("Picture"):
        picture_flags.define()
        block_fit.define_flags()
    with group("Goal"):
        flags.DEFINE_string("goal", None, GOAL_HELP)
        flags.DEFINE_float("goal_psnr_db", None, "stop at this PSNR over all pixels that count, in dB")
        flags.DEFINE_float("max_seconds", None, "stop after so many seconds of training")
        flags.DEFINE_bool("grow", None, GROW_HELP)
        flags.DEFINE_integer("max_parameters", None, "the most weights that --preset=auto may take and grow to", 1)
    with group("Run folder"):
        flags.DEFINE_string("out", None, "run folder; a new numbered one under runs/ by default")
        flags.DEFINE_bool("resume", False, "go on with the run in --out")
        flags.DEFINE_bool("overwrite", False, "replace the run in --out")
        flags.DEFINE_integer("preview_every", 0, PREVIEW_HELP, lower_bound=0)
        flags.DEFINE_enum("preview_format", "png", list(SUFFIXES), "format of previews; a jpeg has quality 90")
        flags.DEFINE_bool("tensorboard", True, "write logs for TensorBoard")
    with group("This call"):
        flags.DEFINE_bool("dry_run", False, "check everything, tell what would be done, write nothing")
        flags.DEFINE_bool("list_presets", False, "show the zoo and exit")
        flags.DEFINE_bool("progress", True, "show a progress bar")
        flags.DEFINE_enum(
            "device", "auto", ["auto", "cpu", "gpu"], "what to compute on; auto takes a GPU if there is one"
        )
        block_fit.define_machines()
        flags.DEFINE_enum("strategy", "none", STRATEGIES, "mirrored shares each step out to all GPUs of this machine")
    training_flags.define([AUTO], automatic_rate=True)


def planned_from_flags() -> PlannedFit:
    """The run that the flags describe, decided and checked, its folder too."""
    resumes = FLAGS.resume and FLAGS.out is not None and holds_run(FLAGS.out)
    resumed = run_identity(FLAGS.out) if resumes else None
    return plan_fit(
        FLAGS.image,
        FLAGS.preset,
        image_options=picture_flags.image_options(FLAGS),
        arguments=training_flags.arguments(resumed),
        weights=FLAGS.weights,
        recipe=training_flags.recipe(),
        precision=FLAGS.precision,
        goal=FLAGS.goal,
        goal_psnr_db=FLAGS.goal_psnr_db,
        max_seconds=FLAGS.max_seconds,
        grow=FLAGS.grow,
        max_parameters=FLAGS.max_parameters,
        strategy=FLAGS.strategy,
        resumed=resumed,
        check=lambda plan: check_image_fit(plan, FLAGS.out, FLAGS.resume, FLAGS.overwrite),
        tell=messages.tell,
    )


def choose_device() -> None:
    """Keeps TensorFlow to what --device names."""
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if FLAGS.device == "gpu" and not gpus:
        raise InputError("device must be cpu or auto where TensorFlow sees no GPU, received 'gpu'")
    if FLAGS.device == "cpu":
        tf.config.set_visible_devices([], "GPU")


def summary(folder: pathlib.Path, metrics: Mapping[str, Any]) -> str:
    """Lines that tell what was reached and where it is."""
    psnr, psnr_8bit = psnr_text(metrics["psnr_db"]), psnr_text(metrics["psnr_8bit_db"])
    ssim = "" if metrics["ssim"] is None else f", SSIM {metrics['ssim']:.4f}"
    masked = masked_text(metrics)
    seconds = f"{metrics['train_seconds']:.1f} s (and {metrics['setup_seconds']:.1f} s of set-up)"
    size = f"{metrics['height']} x {metrics['width']}, channels: {metrics['channels']}"
    return "\n".join(
        [
            f"{metrics['preset']} ({metrics['num_parameters']:,} parameters) on {metrics['image']} ({size})",
            f"PSNR {psnr} over all pixels{masked and ' that count'} (rounded to 8 bits: {psnr_8bit}){ssim}{masked}",
            *goal_lines(metrics, psnr),
            f"{metrics['steps']} steps of {metrics['points_per_step']} points in {seconds} on {metrics['device']}",
            f"pictures: {folder}/comparison.png, {folder}/reconstruction.png, {folder}/curves.png",
            f"Keras: {folder}/model.keras   TensorFlow Serving: {folder}/saved_model   figures: {folder}/metrics.json",
        ]
    )


def masked_text(metrics: Mapping[str, Any]) -> str:
    """What is told of the pixels that took no part; "" where there are none."""
    if not metrics.get("pixels_masked"):
        return ""
    psnr = psnr_text(metrics.get("psnr_masked_db"))
    return f"; {psnr} on the {metrics['pixels_masked']:,} masked pixels, against what the file has there"


def goal_lines(metrics: Mapping[str, Any], psnr: str) -> list[str]:
    """A line on a goal in dB, and one where time ran out before the learning rate had fallen; none for older runs."""
    lines = []
    if metrics.get("goal") is not None:
        why = ", out of reach for the largest network" if metrics.get("stopped_by") == "stalled" else ""
        told = "reached" if metrics.get("goal_met") else f"not reached ({psnr}){why}"
        lines.append(f"goal {metrics['goal']}: {told}")
    recipe = metrics.get("recipe", {})
    if metrics.get("stopped_by") == "time" and recipe.get("schedule") == "cosine":
        whole = "" if recipe.get("steps") is None else f" of {recipe['steps']}"
        lines.append(f"time ran out at step {metrics['steps']}{whole}, before the learning rate had come down")
    return lines


def main(argv: list[str]) -> int:
    """Fits as the flags tell; the exit code."""
    if FLAGS.list_presets:
        print(zoo())
        return 0
    choose_device()
    if block_fit.is_wanted():
        return block_fit.main()
    if FLAGS.ray_address:
        raise InputError("ray_address is for a field of blocks, see block_size; many pictures go by keras-inr fit-many")
    if FLAGS.skip_damaged:
        raise InputError("skip_damaged is for a field of blocks, see block_size")
    planned = planned_from_flags()
    flags_text = flagfile.text(training_flags.values_of(planned.plan))
    if FLAGS.resume and not holds_run(FLAGS.out):
        messages.tell(f"{FLAGS.out} holds no run yet: starting one")
    if FLAGS.dry_run:
        print(json.dumps(planned.plan.identity, indent=2))
        return 0
    shown = (FLAGS.preview_every, FLAGS.tensorboard, FLAGS.progress)
    display = Display(*shown, messages.tell, FLAGS.preview_format)
    folder, metrics = run_image_fit(planned, FLAGS.out, FLAGS.resume, FLAGS.overwrite, flags_text, display)
    print(summary(folder, metrics))
    return MISSED if metrics.get("goal_met") is False else 0
