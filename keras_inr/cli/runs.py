"""Lists runs, compares two, and removes what can be made again: keras-inr runs

keras-inr runs                                       what there is in runs/
keras-inr runs --compare=1,2 --out=beside.png        settings that differ, figures, both pictures
keras-inr runs --clean=1,2                           checkpoints, previews and logs of finished runs; all for all
"""

import contextlib
import pathlib

from absl import flags

from keras_inr.cli.help import group
from keras_inr.errors import InputError
from keras_inr.metrics import psnr_text
from keras_inr.runs.overview import (
    RunFacts,
    differing_settings,
    figures_of,
    list_runs,
    number_or_path,
    removable,
    remove_again,
    save_beside,
)

FLAGS = flags.FLAGS


@group("Runs")
def define_flags() -> None:
    """Defines the flags of the command."""
    flags.DEFINE_string("folder", "runs", "where runs are")
    flags.DEFINE_list("compare", [], "two runs: numbers, names in --folder, or paths, with a comma between")
    flags.DEFINE_string("out", None, "of --compare: a PNG of both pictures and their difference")
    flags.DEFINE_list("clean", [], "finished runs to remove checkpoints, previews and TensorBoard's logs of; or all")
    flags.DEFINE_bool("dry_run", False, "of --clean: tell what would be removed")


def main(argv: list[str]) -> int:
    """Does what the flags ask for; the exit code."""
    root = pathlib.Path(FLAGS.folder)
    if FLAGS.compare and FLAGS.clean:
        raise InputError("give one of compare and clean, received both")
    if FLAGS.out is not None and not FLAGS.compare:
        raise InputError("out goes with compare")
    if FLAGS.compare:
        if len(FLAGS.compare) != 2:
            raise InputError(f"compare must be two runs, received {len(FLAGS.compare)}")
        print(compared(*(number_or_path(text, root) for text in FLAGS.compare)))
    elif FLAGS.clean:
        clean(root)
    else:
        print(listed(list_runs(root)))
    return 0


def listed(runs: list[RunFacts]) -> str:
    """A line for each run."""
    if not runs:
        return f"no runs in {FLAGS.folder}"
    lines = []
    for run in runs:
        picture = run.finished and run.steps is not None
        state = psnr_text(run.psnr_db) if picture else "finished" if run.finished else "not finished"
        steps = "" if run.steps is None else f"{run.steps} steps"
        size = f"{run.size / 1e6:.1f} MB"
        what = f"{run.preset} {run.image}".strip()
        when = f"{run.changed:%Y-%m-%d %H:%M}"
        lines.append(f"{run.folder.name:20} {when}  {run.kind:14} {state:>14} {steps:>14} {size:>10}  {what}")
    return "\n".join(lines)


def compared(first: pathlib.Path, second: pathlib.Path) -> str:
    """Settings that differ and figures of two runs."""
    settings = differing_settings(first, second)
    figures = {name: (value, figures_of(second)[name]) for name, value in figures_of(first).items()}
    table = {"": (first.name, second.name), **settings, **figures}
    width = max(map(len, table))
    left = max(len(str(pair[0])) for pair in table.values())
    lines = [f"{name:{width}}  {pair[0]!s:{left}}  {pair[1]!s}" for name, pair in table.items()]
    if not settings:
        lines.insert(1, "settings are the same")
    if FLAGS.out is not None:
        save_beside(first, second, pathlib.Path(FLAGS.out))
        lines.append(f"pictures: {FLAGS.out}")
    return "\n".join(lines)


def clean(root: pathlib.Path) -> None:
    """Removes what finished runs can do without, or says what that would be."""
    if FLAGS.clean == ["all"]:
        places = [run.folder for run in list_runs(root) if is_removable(run)]
    else:
        places = [number_or_path(text, root) for text in FLAGS.clean]
    for place in places:
        names = ", ".join(path.name for path in removable(place)) or "nothing"
        if FLAGS.dry_run:
            print(f"{place}: would remove {names}")
        else:
            print(f"{place}: removed {names}, {remove_again(place) / 1e6:.1f} MB")


def is_removable(run: RunFacts) -> bool:
    """Whether a run is finished, and of one picture."""
    with contextlib.suppress(InputError):
        return bool(removable(run.folder))
    return False
