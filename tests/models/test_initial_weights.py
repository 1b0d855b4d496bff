"""Learnt weights to begin a fit with: read, checked, and given to fields of other channels and dtypes."""

import numpy as np
import pytest

from keras_inr.models import Siren, from_preset
from keras_inr.models import initial_weights as start
from keras_inr.models.initial_weights import list_starts, read_start

COORDS = np.random.default_rng(0).uniform(-1, 1, (20, 2))
SMALL = {"units": (8, 8)}
INIT = {"scheme": "init-33"}  # that of siren_256


@pytest.fixture
def saved(tmp_path):
    field = Siren(**SMALL, **INIT, seed=3)
    field.save(tmp_path / "start.keras")
    return field, str(tmp_path / "start.keras")


def test_a_file_gives_its_weights(saved):
    field, path = saved
    other = from_preset("siren_256", weights=path, **SMALL, seed=9, picture_size=(4, 5))
    np.testing.assert_array_equal(other(COORDS), field(COORDS))
    assert other.picture_size == (4, 5)


def test_a_start_of_float32_serves_other_dtypes(saved):
    field, path = saved
    other = from_preset("siren_256", weights=path, **SMALL, dtype="float64")
    assert other.values_dtype == "float64"
    np.testing.assert_allclose(other(COORDS), field(COORDS), atol=1e-6)  # float32


def test_a_colour_start_shows_its_luma_in_grey(saved):
    field, path = saved
    grey = from_preset("siren_256", weights=path, **SMALL, channels=1)
    luma = np.asarray(field(COORDS)) @ [[0.299], [0.587], [0.114]]
    np.testing.assert_allclose(grey(COORDS), luma, atol=1e-6)  # float32


def test_a_grey_start_shows_grey_in_colour(tmp_path):
    grey = Siren(**SMALL, **INIT, channels=1, seed=3)
    grey.save(tmp_path / "grey.keras")
    colour = from_preset("siren_256", weights=tmp_path / "grey.keras", **SMALL)
    np.testing.assert_allclose(colour(COORDS), np.repeat(grey(COORDS), 3, axis=-1), atol=1e-6)  # float32


def test_shipped_ones_go_by_name(saved, tmp_path, monkeypatch):
    field, _ = saved
    (tmp_path / "shipped" / "cats").mkdir(parents=True)
    (tmp_path / "start.keras").rename(tmp_path / "shipped" / "cats" / "siren_256.keras")
    monkeypatch.setattr(start, "SHIPPED", tmp_path / "shipped")
    assert list_starts("siren_256") == ["cats"]
    np.testing.assert_array_equal(from_preset("siren_256", weights="cats", **SMALL)(COORDS), field(COORDS))
    with pytest.raises(ValueError, match=r"weights must be a .keras file or a name \('cats'\), received 'dogs'"):
        read_start("dogs", "siren_256")


def test_a_name_is_meant_even_where_a_folder_has_it(saved, tmp_path, monkeypatch):
    """Pictures often lie in a folder of that name."""
    field, _ = saved
    (tmp_path / "shipped" / "photos").mkdir(parents=True)
    (tmp_path / "start.keras").rename(tmp_path / "shipped" / "photos" / "siren_256.keras")
    monkeypatch.setattr(start, "SHIPPED", tmp_path / "shipped")
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path)
    np.testing.assert_array_equal(from_preset("siren_256", weights="photos", **SMALL)(COORDS), field(COORDS))
    with pytest.raises(ValueError, match=r"\(none is shipped for 'relu'\), received 'photos'"):
        from_preset("relu", weights="photos")
    (tmp_path / "others").mkdir()
    with pytest.raises(ValueError, match=r"weights must be a \.keras file, received the folder others"):
        from_preset("siren_256", weights="others", **SMALL)


def test_the_digest_is_the_files(saved):
    _, path = saved
    before = read_start(path).sha256
    assert read_start(path).sha256 == before
    Siren(**SMALL, **INIT, seed=4).save(path)
    assert read_start(path).sha256 != before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"units": (8, 9)}, r"weights from .* are for units \[8, 8\], received units \[8, 9\]"),
        ({**SMALL, "omega_0": 20.0}, r"are for omega_0 30\.0, received omega_0 20\.0"),
        ({**SMALL, "channels": 4}, "are for pictures with 3 channels, received 4"),
    ],
)
def test_another_network(saved, arguments, message):
    with pytest.raises(ValueError, match=message):
        from_preset("siren_256", weights=saved[1], **arguments)


def test_what_is_no_start(tmp_path):
    for weights, message in (
        ("nowhere.keras", "weights cannot be read: there is no model: nowhere.keras does not exist"),
        ("words", r"weights must be a .keras file or a name \(none is shipped for 'relu'\), received 'words'"),
    ):
        with pytest.raises(ValueError, match=message):
            from_preset("relu", weights=weights)
    Siren(**SMALL, **INIT).save(tmp_path / "model.keras")
    with pytest.raises(ValueError, match=rf"weights must be .*, received the folder {tmp_path}: give .*/model\.keras"):
        read_start(str(tmp_path))
    Siren(**SMALL, **INIT, num_fields=2).save(tmp_path / "two.keras")
    with pytest.raises(ValueError, match="weights must be of a single field, received num_fields=2 in"):
        read_start(str(tmp_path / "two.keras"))
    with pytest.raises(ValueError, match=r"weights must be None for preset 'auto', .*, received 'photos'"):
        from_preset("auto", weights="photos")
