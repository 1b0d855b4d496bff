import io
import struct

import numpy as np
import pytest
import tifffile

from keras_inr.errors import ImageError
from keras_inr.signals._decoding.tiff_directory import PixelsOnly, read_directory


def tiff(**options):
    stream = io.BytesIO()
    tifffile.imwrite(stream, np.zeros((4, 4, 3), "uint8"), photometric="rgb", **options)
    return stream.getvalue()


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("bigtiff", [False, True])
def test_whole_directories_pass(byteorder, bigtiff):
    read_directory(tiff(byteorder=byteorder, bigtiff=bigtiff))


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("bigtiff", [False, True])
def test_every_cut_in_the_directory(byteorder, bigtiff):
    data = tiff(byteorder=byteorder, bigtiff=bigtiff)
    for length in range(4, len(data) - 48, 3):  # tifffile writes the 48 bytes of pixels last
        if length < 150:
            with pytest.raises(ImageError, match="TIFF file that is truncated: its directory is not whole"):
                read_directory(data[:length])


def directory(tag, kind, count, value):
    return b"II*\0" + struct.pack("<IHHHII", 8, 1, tag, kind, count, value) + bytes(4)


@pytest.mark.parametrize(
    ("data", "whole"),
    [
        (directory(258, 3, 1, 8), True),  # the value is in the entry
        (directory(258, 3, 3, 8), True),  # inside the file
        (directory(258, 3, 3, 24), False),  # 6 bytes from 24 on, in a file of 26
        (directory(258, 3, 2**31, 8), False),
        (directory(258, 99, 2**31, 999), True),  # of a type that the standard asks to skip
        (directory(50000, 3, 3, 999), True),  # a private tag, which says nothing about the pixels
        (b"II*\0" + struct.pack("<I", 8), False),
        (b"II*\0" + struct.pack("<I", 2**32 - 1), False),
        (b"II+\0" + struct.pack("<HHQ", 8, 0, 2**64 - 1), False),
    ],
)
def test_values_outside_the_file(data, whole):
    if whole:
        read_directory(data)
    else:
        with pytest.raises(ImageError, match="its directory is not whole"):
            read_directory(data)


def test_tags_beside_the_pixels_are_hidden_from_tifffile():
    data = tiff(
        description="hello", software="nobody", extratags=[(274, "H", 1, 6, True), (320, "H", 3, (1, 2, 3), True)]
    )
    shown = read_directory(PixelsOnly(data, read_directory(data)).read())
    assert {256, 257, 262, 273, 279} <= set(shown.entries)
    assert not {270, 274, 305, 320} & set(shown.entries)


def test_what_is_read_in_parts_is_what_is_read_whole():
    data = tiff(description="hello")
    directory = read_directory(data)
    whole = PixelsOnly(data, directory).read()
    parts, buffer = PixelsOnly(data, directory), bytearray(7)
    found = b""
    while count := parts.readinto(buffer):
        found += buffer[:count]
    assert found == whole != data
    assert len(whole) == len(data)
