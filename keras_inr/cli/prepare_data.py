"""Prepares a data set for tfds: sources: keras-inr prepare-data --dataset=cifair10

Downloads what TensorFlow Datasets knows, or ciFAIR-10, and writes it where `tfds:NAME/SPLIT` is looked for. Where there
is no network, place the archive in --manual_dir first. --dataset=crops needs none: it writes small crops of the
photographs that scikit-image ships into the folder --out, as train/CLASS/NNN.png and test/CLASS/NNN.png.
"""

from absl import flags

from keras_inr._disk_errors import disk_error, without_temporary_names
from keras_inr.cli.help import group
from keras_inr.datasets.crops import write_crops
from keras_inr.errors import InputError
from keras_inr.signals._tfds import prepare

FLAGS = flags.FLAGS


@group("Data set")
def define_flags() -> None:
    """Defines the flags of the command."""
    flags.DEFINE_string("dataset", None, "NAME or NAME/CONFIG of TensorFlow Datasets, cifair10, or crops")
    flags.DEFINE_string("data_dir", None, "where it is written; ~/tensorflow_datasets by default")
    flags.DEFINE_string("manual_dir", None, "folder with archives that were downloaded by hand")
    flags.DEFINE_string("out", None, "new folder for crops")
    flags.DEFINE_integer("size", 32, "side of a crop in pixels", lower_bound=1)
    flags.DEFINE_integer("window", 96, "side of the part of a photograph that a crop shows", lower_bound=1)


def main(argv: list[str]) -> int:
    """Prepares the data set that the flags name; the exit code."""
    if not FLAGS.dataset:
        raise InputError("dataset must be given: a name of TensorFlow Datasets, cifair10, or crops")
    try:
        if FLAGS.dataset == "crops":
            if not FLAGS.out:
                raise InputError("out must name a new folder for the crops")
            counts = write_crops(FLAGS.out, FLAGS.size, FLAGS.window)
            print(f"{counts['train']} pictures in {FLAGS.out}/train, {counts['test']} in {FLAGS.out}/test")
        else:
            counts, folder = prepare(FLAGS.dataset, FLAGS.data_dir, FLAGS.manual_dir)
            print(f"{', '.join(f'{name}: {count}' for name, count in counts.items())} examples in {folder}")
    except (FileNotFoundError, NotADirectoryError, PermissionError) as error:
        told = without_temporary_names(error)
        raise InputError(f"out and data_dir must be folders that can be written: {told}") from None
    except OSError as error:
        raise disk_error(error, FLAGS.out or FLAGS.data_dir) or error from None
    return 0
