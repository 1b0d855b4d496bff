"""The errors of the package: each says in one sentence what was wrong and what is allowed.

`InputError` and its kinds are for what a person can mend. They are raised where the problem is found, in the words of
the Python argument. Whatever else is raised is a fault of the package, or the system's refusal.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any


class InputError(ValueError):
    """An argument, a file or a folder that cannot be used; nothing was written."""

    __init__ = Exception.__init__  # by this `tf.function` knows that it can raise the same error again


class InputTypeError(InputError, TypeError):
    """An argument of a type that cannot be used, or one that there is none of."""


class RecipeWarning(UserWarning):
    """A fit that is allowed, but cannot go well."""


class ImageError(InputError):
    """A picture that cannot be used.

    >>> from keras_inr.signals.image import load_image
    >>> load_image("missing.png")
    Traceback (most recent call last):
    ...
    keras_inr.errors.ImageError: source 'missing.png' does not exist
    """


class DamagedFileError(InputError):
    """A file of our own kinds that does not hold what it must."""


class CheckpointError(InputError):
    """Checkpoints that a run cannot be resumed from: none can be read, or they are of another run."""


class VersionExistsError(InputError, FileExistsError):
    """A version of an export that is there already."""


class NotExportedError(InputError):
    """A run has fitted a field that cannot be served: model.keras is written, SavedModel and metrics are not."""


class DivergedError(FloatingPointError):
    """The loss is not finite any more.

    Attributes:
        rows: of the run's history until then, empty if there are none.
    """

    rows: Sequence[Mapping[str, Any]] = ()


class DiskError(OSError):
    """What the system refused; its text is one sentence with the path and what to do.

    Attributes:
        errno: the system's number, such as `errno.ENOSPC`.
        path: str, or None where it is not known.
    """

    def __init__(self, number: int, sentence: str, path: str | None = None) -> None:
        super().__init__(number, sentence)
        self.path = path

    def __str__(self) -> str:
        return str(self.strerror)


class MachineError(OSError):
    """What a machine lacks, whatever the picture: no picture has failed by it, and another machine may do better."""


class InterruptedRunError(Exception):
    """The run was asked to stop.

    Args:
        signal_number: of the signal that asked.
        folder: the run's folder.
        done: how far it was, such as "at step 17".
        again: what is saved, and what must be given beside the folder to go on.
    """

    def __init__(
        self,
        signal_number: int,
        folder: str | os.PathLike[str],
        done: str,
        again: str = "the state is saved, go on with",
    ) -> None:
        super().__init__(f"stopped {done}; {again} out={str(folder)!r}, resume=True")
        self.signal_number = signal_number
