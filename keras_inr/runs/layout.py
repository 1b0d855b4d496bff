"""The files of a run: what it writes, what it has when it is finished, and how these and nothing else are removed."""

import contextlib
import pathlib
import re
import shutil
from collections.abc import Sequence

from keras_inr._reading import kind_of
from keras_inr.errors import InputError

RUN_JSON = "run.json"
FLAGFILE = "flags.cfg"
LOCK = ".lock"
METRICS = "metrics.json"
MODEL = "model.keras"
PREVIEW = "preview.png"
RESULTS = ("history.csv", "curves.png", "reconstruction.png", "comparison.png", MODEL)
"""What a finished run has beside its metrics and a version in saved_model/."""

BLEND_RESULTS = ("blend.png", "direct.png", "field.png", "paste.png")
"""What a run of keras-inr blend has instead of history, curves and a reconstruction."""

BLOCK_RESULTS = (MODEL, "reconstruction.png", "comparison.png", "blocks.csv")
"""What a finished run of blocks has beside its metrics and a version in saved_model/."""

FOLDERS = ("blocks", "checkpoints", "previews", "tensorboard", "saved_model")
SAVED_MODEL = ("saved_model.pb", "variables/variables.index", "variables/variables.data-00000-of-00001")
_TEMPORARY = r"[.]tmp-[0-9a-f]{16}-.*"
WRITTEN_PATTERNS = (
    *map(re.escape, (METRICS, *RESULTS, *BLEND_RESULTS, *BLOCK_RESULTS, PREVIEW, FLAGFILE, RUN_JSON)),
    r"blocks/\d-\d{6}[.]npz",
    r"checkpoints/step-\d{10}[.]npz",
    r"previews/step-\d{7,10}[.](png|jpg)",
    r"tensorboard/events[.]out[.]tfevents[.]\d+[.].+[.]\d+[.]\d+[.]v2",
    r"(checkpoints|previews|tensorboard)/grown-\d+",
    r"saved_model/(\d+|tmp[.][0-9a-f]{32})",
    rf"((blocks|checkpoints|previews)/)?{_TEMPORARY}",
)
"""All that runs write, as regular expressions of paths in the run's folder; anything else there is someone else's."""


def written_paths(folder: pathlib.Path) -> list[pathlib.Path]:
    """What a run has written in a folder: metrics first, run.json last."""
    inner = [folder / name for name in FOLDERS if (folder / name).is_dir() and not (folder / name).is_symlink()]
    entries = [path for place in (folder, *inner) for path in place.iterdir()]
    written = [
        path for path in entries if re.fullmatch("|".join(WRITTEN_PATTERNS), path.relative_to(folder).as_posix())
    ]
    return sorted(written, key=lambda path: (path.name == RUN_JSON, path.name != METRICS))


def remove_written(folder: pathlib.Path) -> None:
    """Removes what a run has written, and a folder that is then empty; links are removed and not followed.

    Killed in between, it leaves what is recognised as a run, and not as a finished one.
    """
    for name in FOLDERS:
        if (folder / name).is_symlink():  # a new run must not find the old one's checkpoints behind it
            (folder / METRICS).unlink(missing_ok=True)
            (folder / name).unlink()
    for path in written_paths(folder):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    for name in FOLDERS:
        with contextlib.suppress(OSError):  # absent, or there is something else in it
            (folder / name).rmdir()


def check_files_and_folders(folder: pathlib.Path) -> None:
    """Raises an InputError where something else stands in the place of a file or a folder that a run writes."""
    wanted = {**dict.fromkeys(FOLDERS, "folder"), **dict.fromkeys((METRICS, *RESULTS, FLAGFILE), "file")}
    for name, kind in wanted.items():
        if (folder / name).exists() and (found := kind_of(folder / name)) != kind:
            what = "folder for a run to write in" if kind == "folder" else "file for a run to replace"
            raise InputError(f"{folder / name} must be a {what}, received a {found}")


def has_checkpoint(folder: pathlib.Path) -> bool:
    """Whether a run has left something to be resumed from."""
    from keras_inr.training.checkpoints import checkpoint_paths  # not above: it needs Keras, which a server has not

    return bool(checkpoint_paths(folder / "checkpoints"))


def missing_results(folder: pathlib.Path) -> list[str]:
    """Names of the results that a finished run should have and that are absent or empty."""
    missing = [name for name in RESULTS if not is_whole(folder / name)]
    return missing if whole_versions(folder / "saved_model") else [*missing, "saved_model"]


def is_complete(folder: pathlib.Path, missing: Sequence[str]) -> bool:
    """Whether a finished run lacks nothing; InputError where what is missing cannot be made again from a checkpoint."""
    if missing and not has_checkpoint(folder):
        lacks = f"{folder} is finished but lacks {', '.join(missing)}"
        raise InputError(f"{lacks}, and has no checkpoint to make that again from; add overwrite=True to begin anew")
    return not missing


def whole_versions(base: pathlib.Path) -> list[pathlib.Path]:
    """Folders of the exports under a base path that have all their files, the newest first."""
    versions = [path for path in base.glob("*") if path.name.isascii() and path.name.isdigit()]
    whole = [path for path in versions if all(is_whole(path / name) for name in SAVED_MODEL)]
    return sorted(whole, key=lambda path: int(path.name), reverse=True)


def is_whole(path: pathlib.Path) -> bool:
    """Whether a file is there and not empty."""
    return path.is_file() and path.stat().st_size > 0
