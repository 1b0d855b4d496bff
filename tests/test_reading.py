"""Reading back: only regular files, of a bounded size, with the content that is expected."""

import os
import re
import socket

import pytest

from keras_inr import _reading as reading
from keras_inr._reading import open_regular, read_bytes, read_json
from keras_inr.errors import DamagedFileError

NEEDED = {"format_version": int, "identity": dict, "psnr_db": (float, type(None))}


def written(folder, text):
    path = folder / "run.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def special(kind, folder):
    """The path of something that is no regular file, and what it is called."""
    path = folder / "odd"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        server = socket.socket(socket.AF_UNIX)
        server.bind(str(path))
        server.close()
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    return path


@pytest.mark.parametrize("kind", ["pipe", "socket", "device", "folder"])
def test_what_is_no_file_is_not_waited_for(tmp_path, kind):
    path = special(kind, tmp_path)
    for read in (open_regular, read_bytes, read_json):
        with pytest.raises(DamagedFileError, match=re.escape(f"{path} must be a file, received a {kind}")):
            read(path)


def test_what_is_exchanged_in_between(tmp_path, monkeypatch):
    path = special("pipe", tmp_path)
    monkeypatch.setattr(reading, "kind_of", lambda path: "file")
    with pytest.raises(DamagedFileError, match="must be a file, received something else"):
        open_regular(path)


def test_the_size_is_bounded(tmp_path):
    path = written(tmp_path, "12345")
    assert read_bytes(path, most_bytes=5) == b"12345"
    with pytest.raises(DamagedFileError, match=r"must have at most 4 bytes, received more"):
        read_bytes(path, most_bytes=4)
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[" * 200_000, "it is nested too deeply"),
        ('{"a":' * 100_000, "it is nested too deeply"),
        ("", "Expecting value"),
        ('{"psnr_db": NaN}', "NaN is no strict JSON"),
        ('{"psnr_db": -Infinity}', "-Infinity is no strict JSON"),
        ('{"psnr_db": 1e999}', "1e999 is too large a number"),
        (f'{{"steps": {"9" * 5000}}}', "Exceeds the limit"),
        (b"\xff\xfe\x00", ""),
        (b'{"a": "\xff"}', "can't decode"),
        ("[1, 2]", "it must hold an object, received [1, 2]"),
        (f'"{"x" * 99}"', f"it must hold an object, received '{'x' * 59}..."),
        ("{}", "format_version is missing"),
        ('{"format_version": "1"}', "format_version must be of type int, received '1'"),
        ('{"format_version": true}', "format_version must be of type int, received True"),
        ('{"format_version": 1, "identity": [1]}', "identity must be of type dict, received [1]"),
        (
            '{"format_version": 1, "identity": {}, "psnr_db": "9"}',
            "psnr_db must be of type float or null, received '9'",
        ),
    ],
)
def test_content(tmp_path, text, told):
    path = written(tmp_path, text)
    with pytest.raises(DamagedFileError, match=re.escape(f"{path} is damaged: ") + ".*" + re.escape(told)):
        read_json(path, NEEDED)


def test_objects_inside(tmp_path):
    path = written(tmp_path, '{"recipe": {"schedule": "cosine", "steps": null}, "seconds": 3}')
    steps = (int, type(None))
    content = {"recipe": {"schedule": "cosine", "steps": None}, "seconds": 3}
    assert read_json(path, {"seconds": float}, {"goal": str, "recipe": {"schedule": str, "steps": steps}}) == content
    for wanted, told in (
        ({"recipe": {"steps": int}}, "recipe.steps must be of type int, received None"),
        ({"recipe": {"seed": int}}, "recipe.seed is missing"),
        ({"seconds": {"seed": int}}, "seconds must be an object, received 3"),
    ):
        with pytest.raises(DamagedFileError, match=re.escape(told)):
            read_json(path, wanted)
    with pytest.raises(DamagedFileError, match=r"recipe\.schedule must be of type int, received 'cosine'"):
        read_json(path, {}, {"recipe": {"schedule": int, "seed": int}})
