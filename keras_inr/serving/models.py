"""The models that a server serves: versions come and go while requests are answered."""

import contextlib
import dataclasses
import errno
import gc
import os
import pathlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from keras_inr.serving.servable import Servable
from keras_inr.serving.status import RequestError

LOAD_ATTEMPTS = 6
RETRY_SECONDS = 60.0
START, LOADING, AVAILABLE, UNLOADING, END = "START", "LOADING", "AVAILABLE", "UNLOADING", "END"


@dataclasses.dataclass
class Version:
    """A version that is or was served.

    Attributes:
        folder: of its SavedModel.
        state: START, LOADING, AVAILABLE, UNLOADING or END.
        error: why it could not be loaded; empty if nothing is wrong.
        servable: while it is loaded.
        users: requests that are being answered by it.
        attempts, last_attempt: of loading it.
    """

    folder: pathlib.Path
    state: str = START
    error: str = ""
    servable: Servable | None = None
    users: int = 0
    attempts: int = 0
    last_attempt: float = 0.0


@dataclasses.dataclass(frozen=True)
class ModelSettings:
    """What a model's entry in models.config says.

    Attributes:
        base_path: folder of the versions.
        policy: "all"; ("latest", how many); or ("specific", numbers).
        labels: label -> version.
    """

    base_path: pathlib.Path
    policy: tuple[str, Any] = ("latest", 1)
    labels: dict[str, int] = dataclasses.field(default_factory=dict)

    def aspired(self) -> dict[int, pathlib.Path]:
        """Version -> folder, of what is there and shall be served.

        Raises:
            OSError: if the folder cannot be looked at.
        """
        found = {}
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            for entry in os.scandir(self.base_path):
                if entry.name.isascii() and entry.name.isdigit() and int(entry.name) < 2**63 and is_folder(entry):
                    found[int(entry.name)] = pathlib.Path(entry.path)
        kind, argument = self.policy
        if kind == "specific":
            return {number: folder for number, folder in found.items() if number in argument}
        newest = sorted(found, reverse=True)
        return {number: found[number] for number in (newest[:argument] if kind == "latest" else newest)}


class Models:
    """Models by name, each with versions that are loaded and unloaded as their folders come and go.

    A new version answers as soon as it is loaded. An old one is unloaded when the last request that uses it ends, and
    never before another one is there: where all folders go, what is loaded stays. All methods may be called from any
    thread.

    Args:
        load: makes a `Servable` of a folder.
        on_change: called with name, version and `Version` after each change of state.
    """

    def __init__(
        self,
        load: Callable[[pathlib.Path], Servable] = Servable,
        on_change: Callable[[str, int, Version], object] = lambda name, number, version: None,
    ) -> None:
        self._load = load
        self._on_change = on_change
        self._settings: dict[str, ModelSettings] = {}
        self._versions: dict[str, dict[int, Version]] = {}
        self._lock = threading.RLock()
        self._polling = threading.Lock()
        self._closed_some = False

    @property
    def names(self) -> list[str]:
        """Of the models, sorted."""
        with self._lock:
            return sorted(self._settings)

    def configure(self, settings: dict[str, ModelSettings]) -> None:
        """Takes the place of all models: those not named are unloaded, the others' versions loaded.

        Returns when a version of each new model is available or could not be loaded.

        Raises:
            RequestError: FAILED_PRECONDITION if a label is of a version that is not available: labels are those of
                before then.
        """
        with self._polling:
            with self._lock:
                before = self._settings
                labels = {name: before[name].labels if name in before else {} for name in settings}
                self._settings = {n: dataclasses.replace(entry, labels=labels[n]) for n, entry in settings.items()}
                for name in settings:
                    self._versions.setdefault(name, {})
            self._poll()
            with self._lock:
                missing = [
                    f"{name} version {number} ({label})"
                    for name, entry in settings.items()
                    for label, number in entry.labels.items()
                    if not self._is_available(name, number)
                ]
                if not missing:
                    self._settings = dict(settings)
        if missing:
            raise RequestError(
                "FAILED_PRECONDITION",
                f"labels can only be of available versions, received some of {', '.join(missing)}",
            )

    def poll(self) -> None:
        """Looks at the folders once, loads what is new and unloads what is gone."""
        with self._polling:
            self._poll()

    @contextlib.contextmanager
    def use(self, name: str, version: int | None = None, label: str | None = None) -> Iterator[tuple[int, Servable]]:
        """The number and `Servable` of a version, which stays loaded in the `with` block.

        Args:
            name: of the model.
            version: number; None with no label is the latest.
            label: of a version.

        Raises:
            RequestError: NOT_FOUND if there is none; INVALID_ARGUMENT for an unknown label.
        """
        with self._lock:
            number = self._number_of(name, version, label)
            entry = self._versions[name][number]
            entry.users += 1
        try:
            assert entry.servable is not None
            yield number, entry.servable
        finally:
            with self._lock:
                entry.users -= 1
            self._close_unused(name, number, entry)

    def status(self, name: str, version: int | None = None) -> list[tuple[int, Version]]:
        """Number and state of a model's versions, the newest first, or of one.

        Raises:
            RequestError: NOT_FOUND if there is none.
        """
        with self._lock:
            found = [
                (number, dataclasses.replace(entry))
                for number, entry in sorted(self._versions.get(name, {}).items(), reverse=True)
                if version in (None, number)
            ]
        if not found:
            wanted = f"version {version} of model {name}" if version is not None else f"any versions of model {name}"
            raise RequestError("NOT_FOUND", f"Could not find {wanted}")
        return found

    def labels(self, name: str) -> dict[str, int]:
        """Label -> version of a model."""
        with self._lock:
            return dict(self._settings[name].labels) if name in self._settings else {}

    def folder(self, name: str, version: int) -> pathlib.Path | None:
        """Of a version's SavedModel; None where there is no such version."""
        with self._lock:
            entry = self._versions.get(name, {}).get(version)
            return None if entry is None else entry.folder

    def is_served(self, name: str) -> bool:
        """Whether a version of a model is available."""
        with self._lock:
            return any(self._is_available(name, number) for number in self._versions.get(name, {}))

    def close(self) -> None:
        """Unloads all; each when the last request that uses it ends."""
        self.configure({})

    def _is_available(self, name, number):
        entry = self._versions.get(name, {}).get(number)
        return entry is not None and entry.state == AVAILABLE

    def _number_of(self, name, version, label):
        wanted = f"Latest({name})" if version is None else f"Specific({name}, {version})"
        if name not in self._settings:
            raise RequestError("NOT_FOUND", f"Servable not found for request: {wanted}")
        if label is not None:
            if label not in self._settings[name].labels:
                raise RequestError("INVALID_ARGUMENT", f"Unrecognized servable version label: {label}")
            version = self._settings[name].labels[label]
            wanted = f"Specific({name}, {version})"
        available = [number for number in self._versions[name] if self._is_available(name, number)]
        if version is None and available:
            return max(available)
        if version not in available:
            raise RequestError("NOT_FOUND", f"Servable not found for request: {wanted}")
        return version

    def _poll(self):
        with self._lock:
            settings = dict(self._settings)
        gone = []
        for name in set(self._versions) | set(settings):
            known = self._versions[name]
            try:
                aspired = settings[name].aspired() if name in settings else {}
            except OSError:  # a disk that is away for a while
                continue
            for number, folder in sorted(aspired.items()):
                self._load_version(name, number, folder)
            with self._lock:
                for number in [n for n, entry in known.items() if n not in aspired and entry.error]:
                    del known[number]  # another one of this number is a new one
            unwanted = [n for n, entry in known.items() if n not in aspired and entry.state == AVAILABLE]
            if name in settings and not any(self._is_available(name, number) for number in aspired):
                unwanted = []  # what is there goes on until its successor can take over
            gone += [(name, number) for number in unwanted]
        for name, number in gone:
            self._unload_version(name, number)
        if self._closed_some:  # graphs are cycles, and Python waits for many more before it looks for them
            self._closed_some = False
            gc.collect()

    def _load_version(self, name, number, folder):
        entry = self._versions[name].get(number)
        if entry is not None and entry.state in (LOADING, AVAILABLE, UNLOADING):
            return
        if entry is not None and entry.folder == folder and entry.error:
            waiting = time.monotonic() - entry.last_attempt < RETRY_SECONDS
            if entry.attempts >= LOAD_ATTEMPTS or waiting:
                return
        attempts = entry.attempts if entry is not None and entry.error else 0
        entry = Version(folder, LOADING, attempts=attempts + 1, last_attempt=time.monotonic())
        self._set(name, number, entry)
        try:
            servable = self._load(folder)
        except Exception as error:
            text = f"{type(error).__name__}: {error}".splitlines()[0]
            self._set(name, number, dataclasses.replace(entry, state=END, error=text))
        else:
            self._set(name, number, dataclasses.replace(entry, state=AVAILABLE, servable=servable))

    def _unload_version(self, name, number):
        with self._lock:
            entry = self._versions[name][number]
            entry.state = UNLOADING
        self._on_change(name, number, entry)
        self._close_unused(name, number, entry)

    def _close_unused(self, name, number, entry):
        """Closes a version that is unloaded, if this was the last request that used it."""
        with self._lock:
            if entry.state != UNLOADING or entry.users:
                return
            servable, entry.servable, entry.state = entry.servable, None, END
        servable.close()
        self._closed_some = True
        self._on_change(name, number, entry)

    def _set(self, name, number, entry):
        with self._lock:
            self._versions[name][number] = entry
        self._on_change(name, number, entry)


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder; a link to itself is none."""
    try:
        return entry.is_dir()
    except OSError as error:
        if error.errno == errno.ELOOP:
            return False
        raise
