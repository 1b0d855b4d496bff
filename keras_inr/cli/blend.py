"""Edits pictures by their derivatives: keras-inr blend --target=room.jpg --source=cat.jpg --region=0,0,200,300

Clones a region of one picture into another by fitting a field to the merged gradient, or brings a picture back from its
gradient (--from_gradient) or its Laplacian (--from_laplacian) alone. A direct Poisson solver does the same, beside it.
"""

from typing import Any

from absl import flags

from keras_inr.cli import picture_flags
from keras_inr.cli.help import group
from keras_inr.cli.numbers import parse_numbers
from keras_inr.errors import InputError
from keras_inr.metrics import psnr_text
from keras_inr.presets import list_presets
from keras_inr.runs.blend_run import BlendPlan, plan_blend, run_blend
from keras_inr.signals.derivatives import RULES
from keras_inr.training.recipe import OPTIMIZERS, Recipe

FLAGS = flags.FLAGS
RECIPE = ("steps", "batch_size", "learning_rate", "optimizer", "seed")
PRESET, SMOOTH_PRESET = "hash_large", "hash_smooth"
PICTURE = "a path, sample:NAME or tfds:NAME/SPLIT#INDEX"


@group("Edit")
def define_flags() -> None:
    """Defines the flags of the command."""
    flags.DEFINE_string("target", "sample:coffee", f"picture that is edited: {PICTURE}")
    flags.DEFINE_string("target_size", None, "resize the target to HEIGHTxWIDTH, or to one number for the longer side")
    flags.DEFINE_string("source", None, f"picture that a region is taken from: {PICTURE}")
    flags.DEFINE_string("source_size", None, "resize the source likewise, before anything is cut out of it")
    flags.DEFINE_string("region", None, "TOP,LEFT,HEIGHT,WIDTH of the source in pixels; all of it by default")
    flags.DEFINE_enum("shape", "rectangle", ["rectangle", "ellipse"], "of what is cloned out of the region")
    flags.DEFINE_string("mask", None, f"picture as large as the source, bright where it is cloned: {PICTURE}")
    target_help = f"picture as large as the target, bright where it may be painted over, such as a sky: {PICTURE}"
    flags.DEFINE_string("target_mask", None, target_help)
    flags.DEFINE_float("feather", 4.0, "pixels inside of the region over which target and field are mixed", 0.0)
    flags.DEFINE_string("at", "0,0", "TOP,LEFT in the target where the region's corner goes; may be negative")
    flags.DEFINE_bool("mixed", False, "keep the target's gradient where it is stronger than the source's")
    flags.DEFINE_bool("from_gradient", False, "no source: bring the target back from its gradient")
    flags.DEFINE_bool("from_laplacian", False, "no source: bring the target back from its Laplacian and its border")
    flags.DEFINE_enum("derivative_rule", "central", RULES, "how pictures are differentiated")
    presets = [info.name for info in list_presets()]
    preset_help = f"architecture of the field; {PRESET} by default, {SMOOTH_PRESET} where a Laplacian is fitted"
    flags.DEFINE_enum("preset", None, presets, preset_help)
    flags.DEFINE_float("omega_0", None, "of a sine network; higher follows finer detail, lower joins regions sooner")
    flags.DEFINE_integer("steps", 1500, "length in optimizer updates", lower_bound=1)
    flags.DEFINE_integer("batch_size", 8192, "points in a step; 0 takes all pixels", lower_bound=0)
    flags.DEFINE_float("learning_rate", 0.01, "what the cosine schedule decays from")
    flags.DEFINE_enum("optimizer", "adam", OPTIMIZERS, "see keras-inr fit --help")
    flags.DEFINE_float("values_weight", 1.0, "weight of the relative error of known values, beside 1 for derivatives'")
    flags.DEFINE_integer("seed", 0, "of initial weights and batches", lower_bound=0)
    flags.DEFINE_string("out", None, "run folder; a new numbered one under runs/ by default")
    flags.DEFINE_bool("overwrite", False, "replace the run in --out")
    flags.DEFINE_bool("progress", True, "show a progress bar")


def main(argv: list[str]) -> int:
    """Edits as the flags tell; the exit code."""
    if FLAGS.from_gradient and FLAGS.from_laplacian:
        raise InputError("give one of --from_gradient and --from_laplacian, received both")
    recipe: dict[str, Any] = {name: FLAGS[name].value for name in RECIPE}
    plan = BlendPlan(
        target=FLAGS.target,
        target_size=picture_flags.size("target_size", FLAGS.target_size),
        source=FLAGS.source,
        source_size=picture_flags.size("source_size", FLAGS.source_size),
        region=picture_flags.region("region", FLAGS.region),
        shape=FLAGS.shape,
        mask=FLAGS.mask,
        target_mask=FLAGS.target_mask,
        feather=FLAGS.feather,
        at=parse_numbers("at", FLAGS.at, "whole numbers as N,N", ",", (2,), int),
        mixed=FLAGS.mixed,
        kind="gradient" if FLAGS.from_gradient else "laplacian" if FLAGS.from_laplacian else "clone",
        rule=FLAGS.derivative_rule,
        preset=FLAGS.preset or (SMOOTH_PRESET if FLAGS.from_laplacian else PRESET),
        arguments={} if FLAGS.omega_0 is None else {"omega_0": FLAGS.omega_0},
        values_weight=FLAGS.values_weight,
        recipe=Recipe(**recipe),
        progress=FLAGS.progress,
    )
    folder, metrics = run_blend(plan_blend(plan), FLAGS.out, FLAGS.overwrite)
    after = f"{metrics['steps']} steps in {metrics['train_seconds']:.0f} s"
    print(f"{metrics['kind']}: agreement of field and direct solver {psnr_text(metrics['agreement_db'])} after {after}")
    print(f"pictures: {folder}/blend.png, {folder}/direct.png, {folder}/comparison.png")
    print(f"Keras: {folder}/model.keras   figures: {folder}/metrics.json")
    return 0
