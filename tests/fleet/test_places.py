"""Folders of pictures: named without suffixes, and never two pictures in one."""

import itertools
import unicodedata

import pytest

from keras_inr.fleet.places import NOT_A_FOLDER, as_one, candidates, find_places


def nobody(place):
    return None


@pytest.mark.parametrize(
    ("names", "places"),
    [
        (["a.png"], ["a"]),
        (["a.PNG"], ["a"]),
        (["a.b.png"], ["a.b"]),
        (["cats/a.png", "dogs/a.png"], ["cats/a", "dogs/a"]),
        (["a.png", "a.jpg"], ["a.png", "a.jpg"]),
        (["a", "a.png"], ["a", "a.png"]),
        (["a.png.png", "a.png", "a.jpg"], ["a.png.png", "a.png", "a.jpg"]),
        (["mnist/3.0.1/train/7"], ["mnist/3.0.1/train/7"]),
        (["notes.v2"], ["notes.v2"]),
        ([".png", "..png", "...png"], [".png", "..png", "...png"]),
        (["chelsea", "chelsea/preview.png"], ["chelsea", "chelsea/preview"]),
        (["a.png", "a/model.keras.png"], ["a", "a/model.keras~"]),
        (["a.png", "a/saved_model/1.png"], ["a", "a/saved_model~/1"]),
        (["a/Metrics.json.png"], ["a/Metrics.json~"]),
        (["../a.png", "/etc/a.png"], ["..~/a", "~/etc/a"]),
        (["a[1].png", "\\xe9.png"], ["a_1]", "_xe9"]),
    ],
    ids=str,
)
def test_names(names, places):
    for order in itertools.permutations(names):
        assert find_places(order, nobody) == dict(zip(names, places, strict=True))


@pytest.mark.parametrize(
    "names",
    [
        ["A.png", "a.png"],
        ["A.png", "a.jpg", "a"],
        ["Cats/a.png", "cats/a.png"],
        ["caf\u00e9.png", "cafe\u0301.png"],
        ["stra\u00dfe.png", "STRASSE.png"],
        ["a[.png", "a_.png", "a\\.png"],
        ["model.keras/a.png", "model.keras~/a.png", "model.keras.png"],
        ["a.png", candidates("a.png")[-1], "A.png", candidates("A.png")[-1] + ".png"],
    ],
    ids=str,
)
def test_no_file_system_takes_two_for_one(names):
    """Some do not tell case, or accents that are written in two ways."""
    found = find_places(names, nobody)
    assert len({as_one(place) for place in found.values()}) == len(names)
    assert len({unicodedata.normalize("NFC", place).lower() for place in found.values()}) == len(names)
    assert all(find_places(order, nobody) == found for order in itertools.permutations(names))
    assert not any(part in NOT_A_FOLDER for place in found.values() for part in place.split("/"))


def test_what_is_added_later_changes_no_folder():
    """One after the other, in any order; the folder of one that has gone is given to no other."""
    for order in itertools.permutations(["a.png", "a.jpg", "a", "A.png", "a.png.png"]):
        owners = {}
        for number, _ in enumerate(order, 1):
            found = find_places(order[:number], owners.get)
            assert {place: name for name, place in found.items()}.items() >= owners.items()
            owners = {place: name for name, place in found.items()}
        assert find_places(["a.tif"], owners.get)["a.tif"] not in owners


def test_a_folder_with_the_whole_name_stays():
    """As it was in early runs."""
    owners = {"a.png": "a.png", "b[1].png": "b[1].png", "c/a.png": "c/a.png"}
    assert find_places(owners, owners.get) == {name: name for name in owners}
    assert find_places(["a.jpg", *owners], owners.get)["a.jpg"] == "a.jpg"
    assert find_places(["a.png.jpg"], owners.get) == {"a.png.jpg": "a.png.jpg"}
