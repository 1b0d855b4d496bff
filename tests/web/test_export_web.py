"""The folder of a page: whole, with nothing from elsewhere, and never in the place of somebody's files."""

import base64
import json
import re
import struct

import numpy as np
import pytest
from export.small_fields import small_field

from keras_inr.errors import InputError
from keras_inr.models import Siren
from keras_inr.web.description import Description
from keras_inr.web.evaluation import evaluate
from keras_inr.web.export_web import PAGE, export_web
from keras_inr.web.notebook import MODULES, MOST_BYTES, mimebundle, one_file


def field(seed=0, **arguments):
    return Siren(**{"units": (8,), "picture_size": (20, 30), "seed": seed, **arguments})


def told(folder):
    return json.loads((folder / "field.json").read_text())


def test_the_folder_is_whole(tmp_path):
    made = field()
    folder = export_web(made, tmp_path / "a" / "page", "Fox", {"psnr_db": 31.5, "image": "/home/me/fox.png"})
    facts = told(folder)
    assert {path.name for path in folder.iterdir()} == {path.name for path in PAGE.iterdir()} | {
        "field.json",
        facts["file"],
    }
    assert (facts["title"], facts["network"], facts["psnr_db"]) == ("Fox", "Siren", 31.5)
    assert (facts["picture"], facts["channels"], facts["parameters"]) == ([20, 30], 3, made.count_params())
    assert "/home/me" not in (folder / "field.json").read_text()
    numbers = (folder / facts["file"]).read_bytes()
    assert len(numbers) == facts["bytes"] == 4 * facts["count"]
    first = facts["operations"][0]["kernel"]
    expected = made.stack[0].omega_0 * made.stack[0].kernel.numpy()[0, 0]
    assert struct.unpack_from("<f", numbers, 4 * first)[0] == pytest.approx(expected, rel=1e-6)


def test_nothing_comes_from_elsewhere():
    """No file of the page names another server, or a file that is not there."""
    for path in PAGE.iterdir():
        text = path.read_text()
        assert not re.findall(r"https?://(?!localhost)", text), path.name
        for name in re.findall(r'(?:href|src|from|import\()\s*=?\s*"(?:\./)?([\w-]+\.\w+)"', text):
            assert name == "field.json" or (PAGE / name).is_file(), f"{path.name} names {name}"


def test_smooth_fields_are_shown_themselves(tmp_path):
    assert told(export_web(field(), tmp_path / "smooth"))["between"] == "field"
    assert told(export_web(small_field("multi_hash"), tmp_path / "rough"))["between"] == "spline"


def test_a_page_takes_the_place_of_a_page(tmp_path):
    folder = export_web(field(), tmp_path / "page")
    before = told(folder)["file"]
    export_web(field(seed=1), folder)
    assert told(folder)["file"] != before
    assert not (folder / before).exists()
    assert [path.name for path in tmp_path.iterdir()] == ["page"]


def test_an_empty_folder_is_filled(tmp_path):
    assert (export_web(field(), tmp_path) / "index.html").is_file()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("notes.txt", "mine", "folder must be new, empty, or one that export_web wrote"),
        ("field.json", "[1]", "folder must be new, empty, or one that export_web wrote"),
        ("field.json", '{"format": "another", "file": "a"}', "folder must be new, empty, or one that export_web wrote"),
    ],
)
def test_what_somebody_has_there_stays(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=message):
        export_web(field(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_what_somebody_has_put_beside_a_page_stays(tmp_path):
    folder = export_web(field(), tmp_path / "page")
    (folder / "CNAME").write_text("example.org")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(InputError, match="folder holds what export_web did not write: CNAME in"):
        export_web(field(seed=1), folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    with pytest.raises(InputError, match="received the file"):
        export_web(field(), folder / "CNAME")


def test_float16_where_nobody_sees_it(tmp_path):
    whole, half = (
        told(export_web(small_field("multi_hash"), tmp_path / str(half), half=half)) for half in (False, True)
    )
    assert half["half"]
    assert half["bytes"] < 0.65 * whole["bytes"]
    assert half["bytes"] == 4 * half["exact"] + 2 * (half["count"] - half["exact"])


def test_float16_is_refused_where_it_is_seen(tmp_path):
    rough = small_field("siren")
    kernel = rough.stack[1].kernel
    kernel.assign(kernel * 300)  # phases of which float16 knows too little
    with pytest.raises(InputError, match=r"float16 weights would move its values by up to [\d.]+ of 255 levels"):
        export_web(rough, tmp_path / "page", half=True)
    assert not (tmp_path / "page").exists()


def test_a_field_that_has_no_page_leaves_none(tmp_path):
    with pytest.raises(InputError, match="picture_size"):
        export_web(field(picture_size=None), tmp_path / "page")
    assert not (tmp_path / "page").exists()


def test_a_notebook_has_a_page_and_a_picture():
    bundle = field()._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html", "image/png"}
    assert "Siren" in bundle["text/plain"]
    page = one_file('{"title": "</script>"}', b"")
    assert r'{"title": "<\/script>"}' in page
    assert not re.findall(r'(src|href)="(?!data:)', page)
    assert set(MODULES) == {path.name for path in PAGE.glob("*.js")}


def test_what_a_notebook_does_not_show_as_a_page():
    """Text without a picture; a PNG where no page can be, or one would be too large."""
    assert set(mimebundle(field(picture_size=None))) == {"text/plain"}
    assert set(mimebundle(field(num_fields=2))) == {"text/plain"}
    assert set(mimebundle(field(channels=5))) == {"text/plain"}
    large = field(units=(1100, 1100))
    assert large.count_params() * 4 > MOST_BYTES
    assert set(mimebundle(large)) == {"text/plain", "image/png"}


def test_of_a_large_picture_a_notebook_has_a_small_png():
    bundle = mimebundle(field(picture_size=(600, 1600)))
    width, height = struct.unpack(">II", base64.b64decode(bundle["image/png"])[16:24])
    assert (width, height) == (800, 300)


def test_values_at_pixel_centres_are_the_fields(tmp_path):
    """The page's numbers alone, read back from its files, give what Keras gives."""
    made = small_field("pixel_grid")
    folder = export_web(made, tmp_path / "page")
    facts = told(folder)
    numbers = np.frombuffer((folder / facts["file"]).read_bytes(), "<f4")
    description = Description(facts["operations"], facts["widths"], numbers, facts["exact"])
    coords = np.random.default_rng(0).uniform(-1, 1, (100, 2)).astype("float32")
    np.testing.assert_allclose(evaluate(description, coords), made(coords), atol=1e-4)
