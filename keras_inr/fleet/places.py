"""Where a fleet run keeps its pictures: folders that are named like them, without their suffixes."""

import collections
import hashlib
import unicodedata
from collections.abc import Callable, Collection

from keras_inr._arguments import PATTERN_CHARACTERS
from keras_inr.signals._picture_files import SUFFIXES

MODEL, PREVIEW, METRICS, SAVED_MODEL = "model.keras", "preview.png", "metrics.json", "saved_model"
HISTORY = "history.csv"
"""What a picture's folder holds."""

NOT_A_FOLDER = (MODEL, PREVIEW, METRICS, HISTORY, SAVED_MODEL, "", ".", "..")


def find_places(names: Collection[str], owner: Callable[[str], str | None]) -> dict[str, str]:
    """The folder of each picture, relative to the folder of all.

    A picture that has a folder keeps it, whatever pictures are added later. A new one gets the first of its
    `candidates` that no other picture could take as well and that holds no other picture's results; so which folder it
    gets does not depend on the order of the pictures. Names that only differ in case, or in how an accent is written,
    count as the same, since some file systems take them for it.

    Args:
        names: of all pictures.
        owner: function of a folder that tells the name of the picture whose results are there, or None.

    Returns:
        A dict of names and folders.

    >>> find_places(["a.png", "b.png", "b.jpg", "c", "c.tif"], lambda place: None)
    {'a.png': 'a', 'b.png': 'b.png', 'b.jpg': 'b.jpg', 'c': 'c', 'c.tif': 'c.tif'}
    """
    wanted = {name: candidates(name) for name in names}
    last_wish: dict[str, dict[str, int]] = collections.defaultdict(dict)
    for name, places in wanted.items():
        for wish, place in enumerate(places):
            last_wish[as_one(place)][name] = wish

    def is_free(name: str, wish: int) -> bool:
        place = wanted[name][wish]
        others = (last for other, last in last_wish[as_one(place)].items() if other != name)
        return all(last < wish for last in others) and owner(place) in (None, name)

    def found(name: str) -> str:
        # folders used to have the whole name
        before = [name] if {"", ".", ".."}.isdisjoint(name.split("/")) else []
        own = next((place for place in (*wanted[name], *before) if owner(place) == name), None)
        free = (place for wish, place in enumerate(wanted[name]) if is_free(name, wish))
        return own or next(free, wanted[name][-1])

    return {name: found(name) for name in names}


def candidates(name: str) -> list[str]:
    """Folders that a picture may have: without its suffix, with it, and with a sign that is of this name alone.

    >>> candidates("cats/a.b.png")
    ['cats/a.b', 'cats/a.b.png', 'cats/a.b.png~8bba3f64']
    """
    folders, slash, last = name.rpartition("/")
    stem, dot, suffix = last.rpartition(".")
    bare = stem if f"{dot}{suffix}".lower() in SUFFIXES and stem.strip(".") else last
    sign = hashlib.sha256(name.encode("utf-8", "backslashreplace")).hexdigest()[:8]
    return [allowed_path(f"{folders}{slash}{part}") for part in (bare, last, f"{last}~{sign}")]


def allowed_path(path: str) -> str:
    """A relative path in which nothing is a file of a picture's folder, leads out of it, or is a pattern to TensorFlow.

    >>> allowed_path("cats/Model.keras"), allowed_path("/etc/../a[1]")
    ('cats/Model.keras~', '~/etc/..~/a_1]')
    """
    for character in PATTERN_CHARACTERS:
        path = path.replace(character, "_")
    parts = path.split("/")
    return "/".join(f"{part}~" if part.casefold() in NOT_A_FOLDER else part for part in parts)


def as_one(path: str) -> str:
    """The same for all paths that some file system takes for one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", path).casefold())
