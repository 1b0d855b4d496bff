"""What the system says about a disk or a file, in one sentence: no room, no permission, too many open files."""

import errno
import os
import pathlib
import re

from keras_inr.errors import DiskError

_SENTENCES = {
    errno.ENOSPC: "there is no room left on the disk for {}: make room there, or give another folder",
    errno.EDQUOT: "the quota of disk space is used up for {}: make room there, or give another folder",
    errno.EFBIG: "{} must not become so large here (see `ulimit -f`): raise the limit, or give another folder",
    errno.EROFS: "{} lies on a disk that can only be read: give another folder",
    errno.EACCES: "{} must not be opened or written by this user: change its permissions, or give another place",
    errno.EPERM: "{} must not be changed by this user: change its permissions, or give another place",
    errno.EMFILE: "too many files are open in this process for {}: raise the limit, see `ulimit -n`",
    errno.ENFILE: "too many files are open on this machine for {}: end other programs",
    errno.EIO: "the disk could not read or write {}: look after the disk, or give another folder",
}
_NO_INODES = "there are no inodes left on the disk for {}: remove files there, or give another folder"
_TEMPORARY = re.compile(r"[.]tmp-[0-9a-f]{16}-|/tmp[.][0-9a-f]{32}.*")
"""Names that `keras_inr._files` and exports write under until all is there."""

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""After these it helps to make room and to go on."""

MISPLACED = (errno.EROFS, errno.EACCES, errno.EPERM)
"""After these another place helps, as with any other wrong argument."""


def disk_error(error: BaseException, path: str | os.PathLike[str] | None = None) -> DiskError | None:
    """The `DiskError` that an exception of Python, TensorFlow or HDF5 stands for; None for any other exception.

    Python's OSError has the number. TensorFlow raises `ResourceExhaustedError` for a full disk as for memory, and HDF5
    an OSError without a number; both quote the system's text.

    Args:
        error: the exception.
        path: of what was being written, where the exception does not say it.

    >>> print(disk_error(OSError(28, "No space left on device", "runs/0001/model.keras")))
    there is no room left on the disk for runs/0001/model.keras: make room there, or give another folder
    >>> disk_error(KeyError("preset"))
    """
    if isinstance(error, DiskError):
        return error
    if not isinstance(error, OSError) and "OpError" not in [kind.__name__ for kind in type(error).__mro__]:
        return None
    number, text = getattr(error, "errno", None), str(error)
    if number not in _SENTENCES:
        found = [number for number in _SENTENCES if os.strerror(number) in text]
        number = max(found, key=lambda number: len(os.strerror(number)), default=None)  # one text begins with another
    if number is None:
        return None
    filename = getattr(error, "filename", None)
    told = _path_in(text, number) if filename is None else os.fsdecode(filename)
    place = without_temporary_names(told or str(path or "")) or None
    sentence = _NO_INODES if number == errno.ENOSPC and _lacks_inodes(place) else _SENTENCES[number]
    return DiskError(number, " ".join(sentence.format(place or "what was to be written").split()), place)


def without_temporary_names(text: object) -> str:
    """A path, or what an error says, with the names that files have in the end.

    >>> without_temporary_names("No such file or directory: '/proc/.tmp-0123456789abcdef-x.png'")
    "No such file or directory: '/proc/x.png'"
    """
    return _TEMPORARY.sub("", str(text))


def _path_in(text: str, number: int) -> str | None:
    """The path in what TensorFlow ("PATH; No space left on device") and HDF5 ("name = 'PATH', errno = 28") say."""
    for pattern in (rf"(?:^|[\s:])(/[^;\n]*?); {re.escape(os.strerror(number))}", r"name = '([^']+)'"):
        if match := re.search(pattern, text):
            return match[1]
    return None


def _lacks_inodes(place: str | None) -> bool:
    """Whether a file system has room, but for no more files."""
    if place is None:
        return False
    folder = next((one for one in (pathlib.Path(place), *pathlib.Path(place).parents) if one.exists()), None)
    if folder is None:
        return False
    figures = os.statvfs(folder)
    return figures.f_files > 0 and figures.f_favail == 0 and figures.f_bavail > 0
