"""Learns weights that fits start from: keras-inr pretrain --method=reptile --preset=siren_256 --images=photos/

The network is the preset's, for colour pictures. Then: keras-inr fit --preset=siren_256
--weights=OUT/model.keras, or `keras_inr.models.from_preset("siren_256", weights="OUT/model.keras")`; grey pictures take
such a start, too.
"""

import shlex
from typing import Any

from absl import flags

from keras_inr.cli import flagfile, training_flags
from keras_inr.cli.help import group
from keras_inr.cli.preset_arguments import model_arguments
from keras_inr.datasets.crops import PHOTOGRAPHS
from keras_inr.errors import InputError
from keras_inr.metrics import psnr_text
from keras_inr.runs.pretrain_run import CROPS, PretrainingPlan, plan_pretraining, run_pretraining
from keras_inr.training.starts.pretraining import METHODS, PretrainingRecipe

FLAGS = flags.FLAGS
preset_flags = training_flags.preset_flags
SAMPLES = [f"sample:{name}" for name in PHOTOGRAPHS]
TAKEN = ", ".join(f"{number} for {method}" for method, number in CROPS.items())
METHOD_HELP = (
    "average: mean of the weights of fits to all crops; prefit: of a fit to the first one; reptile, maml: such weights "
    "that few steps suffice; shared_layers: crops share all layers but --own (STRAINER)"
)
RECIPE: tuple[str, ...] = ("method", "steps", "batch_size", "learning_rate", "pictures_per_step")
RECIPE += ("inner_steps", "inner_learning_rate", "own", "seed")


def define_flags() -> None:
    """Defines the flags of the command."""
    define_learning()
    training_flags.define_network()


@group("Learning")
def define_learning() -> None:
    """Defines the flags that tell what is learnt from what."""
    flags.DEFINE_list(
        "images", SAMPLES, "pictures to learn from, as for keras-inr fit-many: a folder, tfds:NAME/SPLIT[:100] ..."
    )
    flags.DEFINE_string("data_dir", None, "folder of prepared TensorFlow Datasets")
    flags.DEFINE_integer(
        "crops", None, f"square crops that are cut out of the pictures; by default {TAKEN}", lower_bound=1
    )
    flags.DEFINE_integer("size", 128, "their side in pixels", lower_bound=1)
    flags.DEFINE_float("smallest", 0.5, "least side of what a crop shows, as a fraction of a picture's shorter side")
    flags.DEFINE_enum("method", "reptile", METHODS, METHOD_HELP)
    default = PretrainingRecipe("reptile")
    flags.DEFINE_integer("steps", default.steps, "outer steps; of each fit for average and prefit", lower_bound=1)
    flags.DEFINE_integer("batch_size", default.batch_size, "points of a crop in a step", lower_bound=1)
    flags.DEFINE_float("learning_rate", None, "of the outer steps; the method's own by default")
    flags.DEFINE_integer(
        "pictures_per_step", default.pictures_per_step, "crops in a step (reptile, maml)", lower_bound=1
    )
    flags.DEFINE_integer("inner_steps", default.inner_steps, "steps for each crop (reptile, maml)", lower_bound=1)
    flags.DEFINE_float("inner_learning_rate", None, "of those steps; the method's own by default")
    flags.DEFINE_string("own", default.own, "names of layers that each crop has for itself (shared_layers)")
    flags.DEFINE_integer("seed", 0, "of crops, points and the weights that learning starts from", lower_bound=0)
    flags.DEFINE_string("out", None, "run folder; a new numbered one under runs/ by default")
    flags.DEFINE_bool("resume", False, "go on with the run in --out")
    flags.DEFINE_bool("overwrite", False, "replace the run in --out")
    flags.DEFINE_bool("progress", True, "show a progress bar")


def main(argv: list[str]) -> int:
    """Learns as the flags tell; the exit code."""
    if FLAGS.weights is not None:
        raise InputError(f"weights must not be given: learning starts from the preset's, received {FLAGS.weights!r}")
    flagfile.check_run_is_given(FLAGS)
    recipe: dict[str, Any] = {name: FLAGS[name].value for name in RECIPE}
    plan = PretrainingPlan(
        images=FLAGS.images,
        preset=FLAGS.preset,
        arguments=training_flags.arguments(),
        recipe=PretrainingRecipe(**recipe),
        num_crops=FLAGS.crops,
        size=FLAGS.size,
        smallest=FLAGS.smallest,
        data_dir=FLAGS.data_dir,
        progress=FLAGS.progress,
    )
    folder, metrics = run_pretraining(plan_pretraining(plan), FLAGS.out, FLAGS.resume, FLAGS.overwrite)
    crops, pictures = metrics["num_crops"], len(metrics["pictures"])
    heading = f"{metrics['method']} on {crops} crop{'s'[: crops > 1]} of {pictures} picture{'s'[: pictures > 1]}"
    reached = psnr_text(metrics["psnr_db"])
    print(f"{heading}: {reached} at the end, in {metrics['seconds']:.0f} s on {metrics['device']}")
    print(f"its picture: {folder}/reconstruction.png")
    given = [f"--{name}={FLAGS[name].value}" for name in model_arguments() if FLAGS[name].value is not None]
    again = shlex.join([f"--preset={FLAGS.preset}", *given, f"--weights={folder}/model.keras"])
    print(f"to start from it: keras-inr fit {again}")
    return 0
