"""Fits a field to a picture: python scripts/fit.py --flagfile=configs/siren.cfg --image=my.jpg"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))  # which python -I and PYTHONSAFEPATH leave out
import startup

startup.start()

import json

import picture_flags
import run_flags
import training_flags
from absl import flags

from keras_inr.cli.preset_arguments import model_arguments, recipe_arguments
from keras_inr.errors import InputError
from keras_inr.presets import MEASURED, list_presets
from keras_inr.runs.automatic import AUTO, automatic_flags, check_goal, check_size, goal_flags, parsed_goal
from keras_inr.runs.folder import holds_run, run_identity
from keras_inr.runs.found_rate import with_found_rate
from keras_inr.runs.image_fit import ImageFitSettings, check_image_fit, prepare_image_fit, run_image_fit
from keras_inr.training.strategies import STRATEGIES

FLAGS = flags.FLAGS
PREVIEW_HELP = "steps between preview pictures; each comes with the end of a round, about 1/200 of the run; 0 for none"
GOAL_HELP = "40dB or 30s: where to stop; with --preset=auto what to choose for, and then 50kB or 5MB too"


def define_flags():
    picture_flags.define()
    flags.adopt_module_key_flags(picture_flags)  # so that --help shows them
    flags.DEFINE_string("goal", None, GOAL_HELP)
    flags.DEFINE_float("goal_psnr_db", None, "stop at this PSNR over all pixels, in dB")
    flags.DEFINE_float("max_seconds", None, "stop after so many seconds of training")
    flags.DEFINE_string("out", None, "run folder; a new numbered one under runs/ by default")
    flags.DEFINE_bool("resume", False, "go on with the run in --out")
    flags.DEFINE_bool("overwrite", False, "replace the run in --out")
    flags.DEFINE_integer("preview_every", 0, PREVIEW_HELP, lower_bound=0)
    flags.DEFINE_bool("tensorboard", True, "write logs for TensorBoard")
    flags.DEFINE_enum("device", "auto", ["auto", "cpu", "gpu"], "what to compute on; auto takes a GPU if there is one")
    flags.DEFINE_enum("strategy", "none", STRATEGIES, "mirrored shares each step out to all GPUs of this machine")
    flags.DEFINE_bool("progress", True, "show a progress bar")
    flags.DEFINE_bool("dry_run", False, "check everything, tell what would be done, write nothing")
    flags.DEFINE_bool("list_presets", False, "show the zoo and exit")
    training_flags.define([AUTO], automatic_rate=True)
    flags.adopt_module_key_flags(training_flags)


def resolve_goal():
    """Puts what --preset=auto and --goal stand for in their place, so that flags.cfg holds the run itself.

    Returns:
        The `Goal`, or None.
    """
    goal, FLAGS["goal"].value = parsed_goal(FLAGS.goal), None
    resumed = FLAGS.out if FLAGS.resume and FLAGS.out is not None and holds_run(FLAGS.out) else None
    check_goal(goal, {name: FLAGS[name].value for name in GOAL_FLAGS}, resumed)
    if FLAGS.preset != AUTO:
        if goal is not None and goal.unit == "kB":
            raise InputError(f"goal must be in dB or s for a preset that is given, or --preset=auto, received {goal}")
        chosen = goal_flags(goal)
    elif resumed is not None:  # its flags.cfg has told the rest
        chosen = {"preset": run_identity(FLAGS.out, "preset")["preset"]}
    else:
        chosen = chosen_flags(goal)
    for name, value in chosen.items():
        FLAGS[name].value = value
    return goal


def chosen_flags(goal):
    """What --preset=auto is for the picture and a goal, but for what is given."""
    given = [name for name in (*model_arguments(), "weights") if FLAGS[name].value is not None]
    if given:
        raise InputError(f"preset must be one of --list_presets to take {', '.join(given)}, received 'auto'")
    if FLAGS.supervise != "value":
        raise InputError(f"preset must be one of --list_presets for --supervise={FLAGS.supervise}, received 'auto'")
    length = {name: FLAGS[name].value for name in ("steps", "epochs") if FLAGS[name].value is not None}
    points = {"batch_size": FLAGS.batch_size} if FLAGS["batch_size"].present else {}
    options = picture_flags.image_options(FLAGS)
    startup.tell(f"--preset=auto is choosing a network for {FLAGS.image}")
    chosen, reason = automatic_flags(FLAGS.image, options, goal, FLAGS.seed, length, **points)
    startup.tell(f"--preset=auto is {reason}")
    kept = {name for name in recipe_arguments() if FLAGS[name].present} | ({"steps"} if length else set())
    return {name: value for name, value in chosen.items() if name not in kept}


def settings_from_flags():
    """The run that the flags describe."""
    return ImageFitSettings(
        image=FLAGS.image,
        image_options=picture_flags.image_options(FLAGS),
        preset=FLAGS.preset,
        arguments=training_flags.arguments(),
        weights=FLAGS.weights,
        recipe=training_flags.recipe(),
        precision=FLAGS.precision,
        goal_psnr_db=FLAGS.goal_psnr_db,
        max_seconds=FLAGS.max_seconds,
        preview_every=FLAGS.preview_every,
        tensorboard=FLAGS.tensorboard,
        progress=FLAGS.progress,
        strategy=FLAGS.strategy,
    )


def with_number(settings, where):
    """The settings with the number that --learning_rate=auto stands for, which flags.cfg then holds as well."""
    found = with_found_rate(settings, *where)
    if found is not settings:
        FLAGS["learning_rate"].value = found.recipe["learning_rate"]
        startup.tell(f"--learning_rate=auto is {FLAGS.learning_rate:g} in this run")
    return found


def choose_device():
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if FLAGS.device == "gpu" and not gpus:
        raise InputError("device must be cpu or auto where TensorFlow sees no GPU, received 'gpu'")
    if FLAGS.device == "cpu":
        tf.config.set_visible_devices([], "GPU")


def summary(folder, metrics):
    """Lines that tell what was reached and where it is."""
    psnr, psnr_8bit = ("exact" if metrics[key] is None else f"{metrics[key]:.2f} dB" for key in _PSNR_KEYS)
    ssim = "" if metrics["ssim"] is None else f", SSIM {metrics['ssim']:.4f}"
    seconds = f"{metrics['train_seconds']:.1f} s (and {metrics['setup_seconds']:.1f} s of set-up)"
    size = f"{metrics['height']} x {metrics['width']}, channels: {metrics['channels']}"
    return "\n".join(
        [
            f"{metrics['preset']} ({metrics['num_parameters']:,} parameters) on {metrics['image']} ({size})",
            f"PSNR {psnr} over all pixels (rounded to 8 bits: {psnr_8bit}){ssim}",
            *goal_lines(metrics, psnr),
            f"{metrics['steps']} steps of {metrics['points_per_step']} points in {seconds} on {metrics['device']}",
            f"pictures: {folder}/comparison.png, {folder}/reconstruction.png, {folder}/curves.png",
            f"Keras: {folder}/model.keras   TensorFlow Serving: {folder}/saved_model   figures: {folder}/metrics.json",
        ]
    )


def goal_lines(metrics, psnr):
    """A line on a goal in dB, and one where time ran out before the learning rate had fallen; none for older runs."""
    lines = []
    if metrics.get("goal") is not None:
        lines.append(f"goal {metrics['goal']}: {'reached' if metrics.get('goal_met') else f'not reached ({psnr})'}")
    recipe = metrics.get("recipe", {})
    if metrics.get("stopped_by") == "time" and recipe.get("schedule") == "cosine":
        whole = "" if recipe.get("steps") is None else f" of {recipe['steps']}"
        lines.append(f"time ran out at step {metrics['steps']}{whole}, before the learning rate had come down")
    return lines


def zoo():
    """The presets, with what was measured of them."""
    lines = []
    for info in list_presets():
        known = info.psnr_db is not None
        figures = f"{info.psnr_db:5.1f} dB at rate {info.learning_rate:<6g}" if known else f"{'not measured':23}"
        lines.append(f"{info.name:16} {info.num_parameters:>9,} parameters  {figures}  {info.summary} ({info.source})")
    return "\n".join([*lines, "", f"dB: {json.loads(MEASURED.read_text())['about']}"])


_PSNR_KEYS = ("psnr_db", "psnr_8bit_db")
GOAL_FLAGS = ("goal_psnr_db", "max_seconds")


def main(argv):
    if FLAGS.list_presets:
        print(zoo())
        return 0
    choose_device()
    goal = resolve_goal()
    where = (FLAGS.out, FLAGS.resume, FLAGS.overwrite)
    prepared = prepare_image_fit(with_number(settings_from_flags(), where))
    check_size(prepared.field, goal)
    modules = (sys.modules["__main__"], picture_flags, training_flags)
    own = [flag for module in modules for flag in FLAGS.get_flags_for_module(module)]
    flags_text = run_flags.flags_text(own)
    check_image_fit(prepared, *where)
    if FLAGS.resume and not holds_run(FLAGS.out):
        startup.tell(f"{FLAGS.out} holds no run yet: starting one")
    if FLAGS.dry_run:
        print(json.dumps(prepared.identity, indent=2))
        return 0
    folder, metrics = run_image_fit(prepared, *where, flags_text)
    print(summary(folder, metrics))
    return 0


if __name__ == "__main__":
    define_flags()
    startup.run(main, run_flags.flags_of_resumed)
