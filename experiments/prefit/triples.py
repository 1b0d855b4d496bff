"""Which pictures meet in a triple: A, B of A's class, C of another one, and no picture twice."""

import collections
import dataclasses
import hashlib

from keras_inr.datasets.crops import photo_crops
from keras_inr.datasets.pictures import Picture, list_pictures
from keras_inr.errors import ImageError
from keras_inr.signals.image import load_image

CROPS = ["crops"]
"""The default of --images."""

ROLES = ("a", "b", "c")


@dataclasses.dataclass(frozen=True)
class Triple:
    """Three pictures for one experiment.

    Attributes:
        number: its place among the triples.
        seed: of the initial weights that its three modes share.
        pictures: role -> `Picture`.
        signals: role -> `ImageSignal`; None before they are read.
    """

    number: int
    seed: int
    pictures: dict
    signals: dict | None = None


def listed(images, size, data_dir=None):
    """`Picture`s with classes: crops of scikit-image's photographs for CROPS, else what `list_pictures` finds."""
    if list(images) != CROPS:
        return list_pictures(images, data_dir)
    return [
        Picture(f"{label}/{number:03d}", crop, label)
        for label, crops in photo_crops(size).items()
        for number, crop in enumerate(crops)
    ]


def draw_triples(pictures, count, seed):
    """A number of `Triple`s; the first ones are the same whatever their number.

    Classes take turns in giving A and B, in an order drawn once; C's class is drawn from the others. What is drawn
    depends on the seed and the names alone, since hashes of both stand for random numbers.

    Raises:
        ImageError: for pictures without classes, or too few of them.
    """
    without = [picture.name for picture in pictures if picture.label is None]
    if without:
        raise ImageError(
            f"images must have classes, those of a data set or folders as in DIR/CLASS/FILE, received {without[0]!r} "
            "without one"
        )
    left = collections.defaultdict(list)
    for picture in shuffled(pictures, lambda picture: picture.name, seed):
        left[picture.label].append(picture)
    order = shuffled(left, str, seed)
    turns = collections.Counter()
    triples = []
    for number in range(count):
        others = {label: [other for other in order if other != label and left[other]] for label in order}
        able = [label for label in order if len(left[label]) >= 2 and others[label]]
        if not able:
            raise ImageError(
                f"images must be enough for {count} triples of two pictures of a class and one of another, "
                f"received {len(pictures)} in {len(order)} classes, which are enough for {number}"
            )
        label = min(able, key=lambda label: (turns[label], order.index(label)))
        turns[label] += 1
        other = shuffled(others[label], str, seed, number)[0]
        drawn = left[label].pop(), left[label].pop(), left[other].pop()
        triples.append(Triple(number, 1000 * seed + number, dict(zip(ROLES, drawn, strict=True))))
    return triples


def shuffled(items, name, *key):
    """Items in an order that depends on their names and the key alone.

    >>> shuffled("abc", str, 2), shuffled("cba", str, 2)
    (['b', 'c', 'a'], ['b', 'c', 'a'])
    """
    return sorted(items, key=lambda item: hashlib.sha256(repr((*key, name(item))).encode()).digest())


def read_triples(triples, size, data_dir=None):
    """The triples with their pictures read and brought to size x size pixels.

    Raises:
        ImageError: for a picture that is not in colour, or two of the same content.
    """
    seen = {}
    read = []
    for triple in triples:
        signals = {}
        for role, picture in triple.pictures.items():
            signals[role] = load_image(picture.source, size=(size, size), data_dir=data_dir)
            if signals[role].channels != 3:
                raise ImageError(f"images must be in colour, received {picture.name!r}")
            twin = seen.setdefault(signals[role].values.tobytes(), picture.name)
            if twin != picture.name:
                raise ImageError(f"images must differ, received {twin!r} and {picture.name!r}: try another --seed")
        read.append(dataclasses.replace(triple, signals=signals))
    return read
