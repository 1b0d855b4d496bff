"""Runs side by side: what there is, what differs between two, and what can be removed and made again."""

import contextlib
import dataclasses
import datetime
import fcntl
import os
import pathlib
import re
import shutil
from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_inr._reading import read_json
from keras_inr.errors import DamagedFileError, InputError
from keras_inr.runs.figures import save_comparison
from keras_inr.runs.folder import holds_run, run_identity
from keras_inr.runs.layout import LOCK, METRICS, MODEL, RUN_JSON, is_whole
from keras_inr.signals.image import load_image

KINDS = {"fleet": "many pictures", "blocks": "blocks"}
AGAIN = ("checkpoints", "previews", "tensorboard")
"""Folders that a finished run needs no more: figures, pictures and models stay without them."""

FIGURES = ("psnr_db", "psnr_8bit_db", "ssim", "steps", "train_seconds", "num_parameters", "device")


@dataclasses.dataclass(frozen=True)
class RunFacts:
    """A line about a run.

    Attributes:
        folder: of the run.
        kind: "fit", "many pictures", "blocks", "comparison", "blend", "pretraining".
        image, preset: what was fitted by what, where there is one.
        psnr_db: over all pixels, of a finished run of one picture; None where it is exact, too.
        steps: that it took.
        finished: whether it has come to its end.
        size: bytes on the disk.
        changed: when its run.json was written.
    """

    folder: pathlib.Path
    kind: str
    image: str
    preset: str
    psnr_db: float | None
    steps: int | None
    finished: bool
    size: int
    changed: datetime.datetime


def list_runs(folder: str | os.PathLike[str]) -> list[RunFacts]:
    """The runs in a folder, by name; folders without a run, and damaged ones, are left out.

    Raises:
        InputError: for what is no folder.

    >>> import tempfile
    >>> list_runs(tempfile.mkdtemp())
    []
    """
    root = pathlib.Path(folder)
    if not root.is_dir():
        raise InputError(f"folder must be one that holds runs, received {root}")
    found = []
    for place in sorted(root.iterdir()):
        with contextlib.suppress(InputError, OSError):
            if place.is_dir() and holds_run(place):
                found.append(run_facts(place))
    return found


def run_facts(place: pathlib.Path) -> RunFacts:
    """What one run is."""
    identity, metrics = run_identity(place), metrics_of(place)
    kind = identity.get("kind", "fit")
    files = (path for path in place.rglob("*") if path.is_file() and not path.is_symlink())
    return RunFacts(
        place,
        KINDS.get(kind, kind),
        str(metrics.get("image") or identity.get("image") or ""),
        str(metrics.get("preset") or identity.get("preset") or ""),
        metrics.get("psnr_db"),
        metrics.get("steps"),
        bool(metrics) or (place / "manifest.csv").is_file() or (place / "results.csv").is_file(),
        sum(path.stat().st_size for path in files),
        datetime.datetime.fromtimestamp((place / RUN_JSON).stat().st_mtime),
    )


def metrics_of(place: pathlib.Path) -> dict[str, Any]:
    """What metrics.json of a run has; {} for a run that has none, or a damaged one."""
    try:
        return read_json(place / METRICS)
    except (OSError, DamagedFileError):
        return {}


def differing_settings(first: pathlib.Path, second: pathlib.Path) -> dict[str, tuple[Any, Any]]:
    """Settings that two runs do not share: name, with dots between levels -> both values; None for one that is absent.

    Raises:
        InputError: for a folder without a run.
    """
    one, other = (dict(flat(run_identity(checked(place)))) for place in (first, second))
    return {name: (one.get(name), other.get(name)) for name in {**one, **other} if one.get(name) != other.get(name)}


def checked(place: pathlib.Path) -> pathlib.Path:
    """A folder that holds a run."""
    if not place.is_dir() or not holds_run(place):
        raise InputError(f"runs must be folders of runs, received {place}")
    return place


def flat(content: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Names and values of nested dicts.

    >>> flat({"a": 1, "recipe": {"steps": 2}})
    [('a', 1), ('recipe.steps', 2)]
    """
    found: list[tuple[str, Any]] = []
    for name, value in content.items():
        found += flat(value, f"{prefix}{name}.") if isinstance(value, dict) else [(f"{prefix}{name}", value)]
    return found


def figures_of(place: pathlib.Path) -> dict[str, Any]:
    """The figures of a finished run."""
    metrics = metrics_of(place)
    return {name: metrics.get(name) for name in FIGURES}


def save_beside(first: pathlib.Path, second: pathlib.Path, path: pathlib.Path) -> None:
    """A PNG of both runs' reconstructions and their amplified difference.

    Raises:
        InputError: where a run has no reconstruction, or they differ in size or channels.
    """
    pictures = []
    for place in (first, second):
        reconstruction = place / "reconstruction.png"
        if not is_whole(reconstruction):
            raise InputError(f"{place} has no reconstruction.png to be shown: it is not finished, or of many pictures")
        pictures.append(load_image(reconstruction, alpha="white").values)
    if np.shape(pictures[0]) != np.shape(pictures[1]):
        sizes = " and ".join("x".join(map(str, picture.shape)) for picture in pictures)
        raise InputError(f"runs must be of pictures of one size and as many channels to be shown, received {sizes}")
    one, other = pictures
    save_comparison(one, other, path, "two runs", [], (first.name, second.name))


def removable(place: pathlib.Path) -> list[pathlib.Path]:
    """What a finished run of one picture can do without: checkpoints, previews, logs for TensorBoard.

    A run without them cannot be made longer; it is still reported, rendered, exported and served.

    Raises:
        InputError: for a run that is not finished, which needs its checkpoints.
    """
    if not metrics_of(checked(place)) or not is_whole(place / MODEL):
        raise InputError(f"{place} is not a finished run of one picture: it needs what it has to go on")
    return [place / name for name in AGAIN if (place / name).is_dir() and not (place / name).is_symlink()]


def remove_again(place: pathlib.Path) -> int:
    """Removes what `removable` finds; how many bytes that was.

    Raises:
        InputError: as `removable`; also where another process is at work in the folder.
    """
    with open(place / LOCK, "a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"another process is at work in {place}") from None
        freed = 0
        for folder in removable(place):
            freed += sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
            shutil.rmtree(folder)
        return freed


def number_or_path(text: str, root: pathlib.Path) -> pathlib.Path:
    """The folder that a text means: a path, or a name in the folder of runs, numbers without their zeros too.

    >>> number_or_path("7", pathlib.Path("runs")).as_posix()
    'runs/0007'
    """
    path = pathlib.Path(text).expanduser()
    if path.is_dir():
        return path
    return root / (f"{int(text):04d}" if re.fullmatch(r"[0-9]{1,4}", text) else text)
