"""Exports a run's model as a page for any static host: keras-inr export-web --run=runs/0001

The page evaluates the field in the visitor's browser, and lets them zoom. It is one folder without a server: upload it
anywhere, or look at it by python -m http.server.
"""

import gzip
import pathlib
import shlex

from absl import flags

from keras_inr.cli import own_modules
from keras_inr.cli.export import load_metrics, name_of
from keras_inr.cli.help import group
from keras_inr.models.field_files import model_path, read_field
from keras_inr.runs.layout import METRICS
from keras_inr.web.export_web import export_web

FLAGS = flags.FLAGS


@group("Page")
def define_flags() -> None:
    """Defines the flags of the command."""
    flags.DEFINE_string("run", None, "run folder; its model.keras is shown, with the PSNR of its metrics.json")
    flags.DEFINE_string("model", None, "another .keras file to show; figures come from a metrics.json beside it")
    flags.DEFINE_string(
        "to", None, "folder of the page; web/ beside the model. One that this command wrote is replaced"
    )
    flags.DEFINE_string("title", None, "of the page; the picture's name by default")
    flags.DEFINE_bool("half", False, "weights in float16, half the bytes, where that moves no value by more than 1/255")
    own_modules.define()


def main(argv: list[str]) -> int:
    """Exports the model that the flags name; the exit code."""
    model = model_path(FLAGS.run, FLAGS.model)
    field = read_field(model)
    metrics = load_metrics(model.with_name(METRICS))
    title = FLAGS.title or name_of(metrics, model)
    folder = export_web(field, FLAGS.to or model.parent / "web", title, metrics, FLAGS.half)
    print(summary(folder))
    return 0


def summary(folder: pathlib.Path) -> str:
    """Where the page is, what it weighs, and how it is looked at."""
    contents = [path.read_bytes() for path in sorted(folder.iterdir())]
    sizes = [sum(map(len, contents)), sum(len(gzip.compress(content)) for content in contents)]
    whole, packed = (f"{size / 1e6:.2f} MB" for size in sizes)
    return "\n".join(
        [
            str(folder),
            f"{whole}, {packed} where the host compresses: any static host will do",
            "look at it:",
            f"  python -m http.server --directory {shlex.quote(str(folder))} 8000    # http://localhost:8000",
        ]
    )
