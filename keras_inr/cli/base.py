"""Shows a model base, labels its versions and retires old ones: keras-inr base --base=models

    keras-inr base --base=models                                       what it holds
    keras-inr base --base=models --name=fox --label=stable --version=3
    keras-inr base --base=models --name=fox --keep=2                   all but the newest two, and labelled ones, go

A server that polls the folder follows without a restart. TensorFlow Serving reads labels every ten seconds (by the line
that export prints): move a label first, and retire the version that had it a while later.
"""

import pathlib

from absl import flags

from keras_inr._arguments import count, servable_path
from keras_inr.cli.help import group
from keras_inr.errors import InputError
from keras_inr.export.model_base import PICTURES, names_in, retire_versions, set_label, versions_in
from keras_inr.export.models_config import MODELS_CONFIG, find_model, read_models_config

FLAGS = flags.FLAGS


@group("Model base")
def define_flags() -> None:
    """Defines the flags of the command."""
    flags.DEFINE_string("base", None, "folder of models, as keras-inr export --to makes it")
    flags.DEFINE_string("name", None, "the model to change")
    flags.DEFINE_string("label", None, "name for --version, such as stable")
    flags.DEFINE_integer("version", None, "gets --label", lower_bound=1)
    flags.DEFINE_string("remove_label", None, "label to take away")
    flags.DEFINE_list("retire", [], "versions to remove, with commas between")
    flags.DEFINE_integer("keep", None, "remove all but so many of the newest versions and labelled ones", lower_bound=1)


def main(argv: list[str]) -> int:
    """Changes what the flags ask for and shows the model base; the exit code."""
    if FLAGS.base is None:
        raise InputError("--base is required: a folder of models, as keras-inr export --to makes it")
    base = servable_path("base", FLAGS.base)
    if not (base / MODELS_CONFIG).is_file():
        raise InputError(f"--base must be a folder with {MODELS_CONFIG}, received {FLAGS.base!r}")
    changes = FLAGS.label is not None or FLAGS.remove_label is not None or FLAGS.retire or FLAGS.keep
    if changes and FLAGS.name is None:
        raise InputError(f"--name is required to change something: one of {', '.join(names_in(base))}")
    if (FLAGS.version is None) != (FLAGS.label is None):
        raise InputError("--label and --version go together")
    if FLAGS.label is not None:
        set_label(base, FLAGS.name, FLAGS.label, FLAGS.version)
    if FLAGS.remove_label is not None:
        set_label(base, FLAGS.name, FLAGS.remove_label, None)
    if FLAGS.retire or FLAGS.keep:
        numbers = [count("retire", int(text) if text.isdecimal() else text) for text in FLAGS.retire]
        gone = retire_versions(base, FLAGS.name, numbers, FLAGS.keep or 0)
        print(f"{FLAGS.name}: removed {', '.join(map(str, gone)) or 'no version'}")
    print(overview(base))
    return 0


def overview(base: pathlib.Path) -> str:
    """A line for each version of each name: labels and megabytes of points and pictures."""
    config, lines = read_models_config(base), []
    for name in names_in(base):
        labels = find_model(config, name).version_labels
        for version in versions_in(base, (name, name + PICTURES)):
            told = ", ".join(sorted(label for label, number in labels.items() if number == version))
            size = sum(_bytes_in(base / model / str(version)) for model in (name, name + PICTURES))
            lines.append(f"{name:20} version {version:<6} {size / 1e6:8.2f} MB  {told}".rstrip())
    return "\n".join(lines) or "no models"


def _bytes_in(folder: pathlib.Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
