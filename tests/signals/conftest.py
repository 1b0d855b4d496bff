"""Pictures and ICC profiles written byte by byte, so that the decoders are not checked against themselves."""

import struct
import zlib

import numpy as np
import pytest

D50 = np.array([0.9642, 1.0, 0.8249])  # the white of ICC's connection space
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
RED, BLUE, WHITE = (0.64, 0.33), (0.15, 0.06), (0.3127, 0.329)  # of sRGB and Adobe RGB alike


def rgb_to_xyz(green):
    """Matrix from linear RGB to XYZ under D50 by Bradford's adaptation, from the chromaticities of the primaries."""

    def xyz(x, y):
        return np.array([x / y, 1, (1 - x - y) / y])

    primaries = np.stack([xyz(*RED), xyz(*green), xyz(*BLUE)], axis=1)
    scaled = primaries * np.linalg.solve(primaries, xyz(*WHITE))
    cone_ratio = (BRADFORD @ D50) / (BRADFORD @ xyz(*WHITE))
    return np.linalg.inv(BRADFORD) @ np.diag(cone_ratio) @ BRADFORD @ scaled


@pytest.fixture
def srgb_to_xyz():
    return rgb_to_xyz(green=(0.30, 0.60))


@pytest.fixture
def adobe_to_xyz():
    return rgb_to_xyz(green=(0.21, 0.71))


@pytest.fixture
def d50():
    return D50


def chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


@pytest.fixture
def png_bytes():
    """png_bytes(colour_type, depth, rows, width, *chunks, interlace=0): rows are the packed bytes of each scanline."""

    def write(colour_type, depth, rows, width, *chunks, height=None, interlace=0):
        header = struct.pack(">IIBBBBB", width, height or len(rows), depth, colour_type, 0, 0, interlace)
        pixels = zlib.compress(b"".join(b"\0" + bytes(row) for row in rows))
        parts = [chunk(b"IHDR", header), *(chunk(*c) for c in chunks), chunk(b"IDAT", pixels), chunk(b"IEND", b"")]
        return b"\x89PNG\r\n\x1a\n" + b"".join(parts)

    return write


def _fixed(numbers):
    return b"".join(struct.pack(">i", round(float(number) * 65536)) for number in np.ravel(numbers))


def _profile(device_class, space, connection, tags):
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        table += name + struct.pack(">II", start + len(body), len(content))
        body += content + b"\0" * (-len(content) % 4)
    header = struct.pack(">I4sI4s4s4s", start + len(body), b"\0" * 4, 0x02400000, device_class, space, connection)
    header += b"\0" * 12 + b"acsp" + b"\0" * 28 + _fixed(D50) + b"\0" * 48
    return header + table + body


def _curve(gamma):
    return b"curv" + struct.pack(">IIH", 0, 1, round(gamma * 256))


@pytest.fixture
def rgb_profile(adobe_to_xyz):
    """rgb_profile(to_xyz, gamma): an ICC version 2 matrix profile; Adobe RGB by default, whose gamma is 563/256."""

    def make(to_xyz=adobe_to_xyz, gamma=563 / 256):
        tags = {b"wtpt": b"XYZ \0\0\0\0" + _fixed(D50)}
        for index, name in enumerate((b"r", b"g", b"b")):
            tags[name + b"XYZ"] = b"XYZ \0\0\0\0" + _fixed(to_xyz[:, index])
            tags[name + b"TRC"] = _curve(gamma)
        return _profile(b"mntr", b"RGB ", b"XYZ ", tags)

    return make


@pytest.fixture
def grey_profile():
    """A grey profile of gamma 1.75, which is not sRGB's curve."""
    return _profile(b"mntr", b"GRAY", b"XYZ ", {b"wtpt": b"XYZ \0\0\0\0" + _fixed(D50), b"kTRC": _curve(1.75)})


@pytest.fixture
def ink_to_lab():
    """The CMYK profile's table as a formula: ink (..., 4) in [0, 1] -> Lab (..., 3).

    Linear, so that interpolating the table is exact; all inks are L = 0, so that compensating the black point is too.
    """
    slopes = np.array([[-25, -20, -20], [-25, 25, -5], [-10, 0, 30], [-40, -5, -5]])
    return lambda ink: np.array([100.0, 0, 0]) + ink @ slopes


@pytest.fixture
def cmyk_profile(ink_to_lab):
    """A printer profile whose A2B0 table has the 16 corners of `ink_to_lab`."""
    corners = np.stack(np.meshgrid(*[[0.0, 1.0]] * 4, indexing="ij"), axis=-1).reshape(-1, 4)
    lab = (ink_to_lab(corners) + np.array([0, 128, 128])) * [
        65280 / 100,
        256,
        256,
    ]  # ICC version 2 encoding of Lab in 16 bits
    table = b"mft2\0\0\0\0" + bytes([4, 3, 2, 0]) + _fixed(np.eye(3)) + struct.pack(">HH", 2, 2)
    table += struct.pack(">8H", *[0, 65535] * 4) + np.rint(lab).astype(">u2").tobytes()
    table += struct.pack(">6H", *[0, 65535] * 3)
    return _profile(b"prtr", b"CMYK", b"Lab ", {b"wtpt": b"XYZ \0\0\0\0" + _fixed(D50), b"A2B0": table})


@pytest.fixture
def xyz_to_srgb(srgb_to_xyz):
    """XYZ relative to D50 (..., 3) -> sRGB-coded values clipped to [0, 1], in float64 from the formulas."""

    def convert(xyz):
        linear = xyz @ np.linalg.inv(srgb_to_xyz).T
        coded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-12) ** (1 / 2.4) - 0.055)
        return np.clip(coded, 0, 1)

    return convert
