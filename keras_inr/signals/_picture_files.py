"""The picture files of a folder, and a word on those of its files that are pictures and cannot be read."""

import collections
import os
import pathlib
from collections.abc import Iterable
from typing import NoReturn

from keras_inr.errors import ImageError
from keras_inr.signals._decoding.metadata import warn_without_stopping

SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif"),
    *(".jfif", ".jpe", ".jif", ".dib", ".apng"),
)
"""What is taken."""

_OTHER_SUFFIXES = frozenset(
    [
        *(".avif", ".avifs", ".heic", ".heif", ".hif", ".jxl", ".jp2", ".j2k", ".jpx", ".j2c", ".jpc", ".jxr", ".wdp"),
        *(".svg", ".svgz", ".eps", ".ai", ".wmf", ".emf", ".psd", ".psb", ".xcf", ".kra", ".ora", ".cpt", ".tga"),
        *(".ppm", ".pgm", ".pbm", ".pnm", ".pam", ".pfm", ".exr", ".hdr", ".dds", ".ico", ".cur", ".icns", ".pcx"),
        *(".qoi", ".sgi", ".rgb", ".ras", ".xbm", ".xpm", ".btf", ".tf8", ".fits", ".dcm", ".bpg", ".flif"),
        *(".raw", ".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".sr2", ".srf", ".dng", ".orf", ".rw2", ".raf"),
        *(".pef", ".srw", ".x3f", ".erf", ".kdc", ".mrw", ".3fr", ".iiq"),
    ]
)
_STARTS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*", b"8BPS", b"\0\0\0\x0cJXL ",
           b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51")  # fmt: skip
_BRANDS = (b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1")
_NAMED = 3


def is_known_picture(path: pathlib.Path) -> bool:
    """Whether its suffix is a picture's, be it one that can be read or not."""
    return path.suffix.lower() in SUFFIXES or path.suffix.lower() in _OTHER_SUFFIXES


def picture_files(folder: pathlib.Path) -> list[pathlib.Path]:
    """Sorted paths, relative to a folder, of the pictures in it and in its sub-folders; what is hidden is left out.

    Links to folders are followed, each real folder once: where it lies if that is inside, else under the first link.
    One warning tells how many files are pictures and were left out, and why.

    Raises:
        ImageError: for a folder that cannot be read, and where no picture is found.
    """
    inside = _visible_files(folder)
    taken = sorted(path.relative_to(folder) for path in inside if path.suffix.lower() in SUFFIXES)
    left_out = _left_out([path for path in inside if path.suffix.lower() not in SUFFIXES])
    if not taken:
        raise ImageError(
            f"folder {str(folder)!r} must hold pictures ({', '.join(SUFFIXES)}), received {left_out or 'none'}"
        )
    if left_out:
        warn_without_stopping(
            f"folder {str(folder)!r} holds pictures that were left out: {left_out}; read are {', '.join(SUFFIXES)}"
        )
    return taken


def _visible_files(folder: pathlib.Path) -> list[pathlib.Path]:
    """Paths of all files; real folders come before links to folders."""
    found, seen, waiting = [], set(), collections.deque([folder])
    while waiting:
        for place, folders, names in os.walk(waiting.popleft(), onerror=_unreadable):
            if (real := os.path.realpath(place)) in seen:
                folders.clear()
                continue
            seen.add(real)
            paths = [pathlib.Path(place) / name for name in sorted(folders) if not name.startswith(".")]
            waiting.extend(path for path in paths if path.is_symlink())
            folders[:] = [path.name for path in paths if not path.is_symlink()]
            found += [pathlib.Path(place) / name for name in names if not name.startswith(".")]
    return found


def _unreadable(error: OSError) -> NoReturn:
    raise ImageError(f"folder {error.filename!r} cannot be read: {error.strerror}") from error


def _left_out(paths: Iterable[pathlib.Path]) -> str:
    """How many of the paths are pictures, by their suffix or else by their first bytes; "" if none is."""
    suffixes = collections.Counter(path.suffix.lower() for path in paths if path.suffix.lower() in _OTHER_SUFFIXES)
    others = sorted(path.name for path in paths if path.suffix.lower() not in _OTHER_SUFFIXES and _starts_as_one(path))
    told = [f"{count} {suffix}" for suffix, count in sorted(suffixes.items(), key=lambda item: (-item[1], item[0]))]
    if others:
        names = ", ".join([repr(name) for name in others[:_NAMED]] + ["..."] * (len(others) > _NAMED))
        told.append(f"{len(others)} without a picture's suffix ({names})")
    return f"{suffixes.total() + len(others)} files ({', '.join(told)})" if told else ""


def _starts_as_one(path: pathlib.Path) -> bool:
    try:
        if not path.is_file():  # a pipe might never answer
            return False
        with path.open("rb") as file:
            head = file.read(16)
    except OSError:
        return False
    return head.startswith(_STARTS) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP") or _is_heif(head)


def _is_heif(head: bytes) -> bool:
    return head[4:8] == b"ftyp" and head[8:12] in _BRANDS
