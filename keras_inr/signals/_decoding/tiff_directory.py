"""The first directory of a TIFF file, or of an EXIF block: where its values lie and which of them pixels need."""

import dataclasses
import io
import struct
from typing import Any

from keras_inr.errors import ImageError

_CLASSIC = (4, "I", "H", "HHI", 4)  # place and format of the directory's offset; its length; an entry; inline bytes
_BIG = (8, "Q", "Q", "HHQ", 8)
_TYPE_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_WHOLE_NUMBERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
_OTHERS = {1: "bytes", 2: "text", 5: "fractions", 7: "bytes", 10: "fractions", 11: "floats", 12: "floats"}
_MOST_ENTRIES = 4096  # tifffile reads no more
_MOST_VALUES = 2**20
_ALLOWED = {277: range(1, 2**16), 284: range(1, 3), 292: range(2**16)}  # with another 284 some pixels stay unset
_JPEG = (6, 7, 33007, 34892)

PIXEL_TAGS = frozenset(
    [
        *(256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284),  # size, samples, compression, strips, planes
        *(292, 293, 317, 320, 322, 323, 324, 325, 338, 339, 347),  # fax, predictor, colour map, tiles, alpha, JPEG
        *(512, 513, 514, 515, 517, 518, 519, 520, 521, 530, 531, 532, 32997, 32998),  # old JPEG, YCbCr, depth
    ]
)
"""What pixels depend on. Anything else in a directory may be broken without harm."""

_ONE_NUMBER = dict(
    [
        *[(256, "ImageWidth"), (257, "ImageLength"), (259, "Compression"), (262, "PhotometricInterpretation")],
        *[(266, "FillOrder"), (277, "SamplesPerPixel"), (278, "RowsPerStrip"), (284, "PlanarConfiguration")],
        *[(292, "T4Options"), (317, "Predictor"), (322, "TileWidth"), (323, "TileLength")],
        *[(32997, "ImageDepth"), (32998, "TileDepth")],
    ]
)
_NUMBERS = dict(
    [
        *[(258, "BitsPerSample"), (273, "StripOffsets"), (279, "StripByteCounts"), (320, "ColorMap")],
        *[(324, "TileOffsets"), (325, "TileByteCounts"), (338, "ExtraSamples"), (339, "SampleFormat")],
    ]
)


@dataclasses.dataclass(frozen=True)
class Entry:
    """One tag: its type, how many values, and where they lie in the file."""

    kind: int
    count: int
    place: int
    size: int


@dataclasses.dataclass(frozen=True)
class Directory:
    """The first directory: byte order as `struct` writes it, where its entries lie, and tag -> `Entry`."""

    order: str
    span: tuple[int, int]
    raw: dict[int, bytes]
    entries: dict[int, Entry]

    def number(self, data: bytes, tag: int) -> int | None:
        """The one whole number of a tag; None where there is no such tag, or it is not one whole number."""
        numbers = self.numbers(data, tag)
        return numbers[0] if numbers is not None and len(numbers) == 1 else None

    def numbers(self, data: bytes, tag: int) -> tuple[int, ...] | None:
        """The whole numbers of a tag; None where there is no such tag, or it holds no such, or far too many."""
        entry = self.entries.get(tag)
        if entry is None or entry.kind not in _WHOLE_NUMBERS or entry.count > _MOST_VALUES or not _inside(entry, data):
            return None
        return struct.unpack_from(f"{self.order}{entry.count}{_WHOLE_NUMBERS[entry.kind]}", data, entry.place)

    def block(self, data: bytes, tag: int) -> bytes | None:
        """The bytes of a tag; None where there is no such tag, or it does not hold bytes, or they are not there."""
        entry = self.entries.get(tag)
        if entry is None or entry.kind not in (1, 2, 6, 7) or not _inside(entry, data):
            return None
        return bytes(data[entry.place : entry.place + entry.size])


def read_directory(data: bytes) -> Directory:
    """The `Directory` of a TIFF file or an EXIF block; of a tag that stands there twice, the first.

    Raises ImageError unless the directory and the values that pixels need lie inside the file.

    >>> read_directory(b"II*" + bytes([0, 200, 0, 0, 0]))
    Traceback (most recent call last):
    ...
    keras_inr.errors.ImageError: source is a TIFF file that is truncated: its directory is not whole
    """
    order = "<" if data[:2] == b"II" else ">"
    place, offset_format, length_format, entry_format, inline = _BIG if 43 in data[2:4] else _CLASSIC
    raw: dict[int, bytes] = {}
    entries: dict[int, Entry] = {}
    try:
        (offset,) = struct.unpack_from(order + offset_format, data, place)
        (length,) = struct.unpack_from(order + length_format, data, offset)
        entry_at = offset + struct.calcsize(order + length_format)
        if length > _MOST_ENTRIES:
            raise struct.error
        for _ in range(length):
            tag, kind, count = struct.unpack_from(order + entry_format, data, entry_at)
            value_at = entry_at + struct.calcsize(order + entry_format)
            size = count * _TYPE_SIZES.get(kind, 0)
            (elsewhere,) = struct.unpack_from(order + offset_format, data, value_at)
            entry = Entry(kind, count, value_at if size <= inline else elsewhere, size)
            if tag in PIXEL_TAGS and not _inside(entry, data):
                raise struct.error
            raw.setdefault(tag, bytes(data[entry_at : value_at + inline]))
            entries.setdefault(tag, entry)
            entry_at = value_at + inline
    except (struct.error, OverflowError):
        raise ImageError("source is a TIFF file that is truncated: its directory is not whole") from None
    return Directory(order, (offset, entry_at), raw, entries)


def check_pixel_tags(data: bytes, directory: Directory) -> None:
    """Raises ImageError unless the tags that pixels need hold whole numbers, as many as they may and not too many.

    A tag of an unknown type counts as absent, which the standard asks for, and one that is not used does not matter.
    Single bytes are no numbers to tifffile, which overlooks some, and more than one RowsPerStrip: it takes the height.
    """
    compression = directory.number(data, 259)
    unused = {347} if compression not in _JPEG else set()
    unused |= {292} if compression != 3 else set()
    unused |= {320} if directory.number(data, 262) != 3 else set()
    unused |= {284} if directory.number(data, 277) in (None, 1) else set()
    unused |= {273, 278, 279} if {322, 324} <= directory.entries.keys() else set()
    for tag in sorted(PIXEL_TAGS & directory.entries.keys() - unused):
        entry = directory.entries[tag]
        if entry.kind not in _TYPE_SIZES:
            continue
        number = directory.number(data, tag)
        is_taken = tag == 338 or (tag == 266 and number == 1)
        are_numbers = entry.kind in _WHOLE_NUMBERS and (entry.kind != 1 or is_taken)
        wanted = None
        if entry.count > _MOST_VALUES:
            wanted = f"at most {_MOST_VALUES} values"
        elif tag in _ONE_NUMBER and not (are_numbers and (entry.count == 1 or (tag == 278 and entry.count > 1))):
            wanted = "one whole number (SHORT or LONG)"
        elif tag in _NUMBERS and not (are_numbers and (entry.count >= 1 or tag not in (258, 339))):
            wanted = "whole numbers (SHORT or LONG)"
        elif tag == 320 and (entry.count < 3 or entry.count % 3):
            wanted = "three whole numbers for each colour"
        elif tag == 347 and entry.kind not in (1, 7):
            wanted = "bytes (UNDEFINED)"
        elif number is not None and tag in _ALLOWED and number not in _ALLOWED[tag]:
            wanted = f"a number from {_ALLOWED[tag].start} to {_ALLOWED[tag].stop - 1}"
        if wanted:
            name = _ONE_NUMBER.get(tag) or _NUMBERS.get(tag) or {347: "JPEGTables"}.get(tag, str(tag))
            kind = _OTHERS.get(entry.kind, "whole numbers")
            received = f"{entry.count} values ({kind})" if number is None or not are_numbers else number
            raise ImageError(
                f"source is a TIFF file that is broken: its tag {name} must hold {wanted}, received {received}"
            )
    formats = (directory.numbers(data, 339) or ())[: directory.number(data, 277) or 1]
    if len(set(formats)) > 1:
        raise ImageError(
            "source is a TIFF file that is broken: its tag SampleFormat must hold the same number for all samples, "
            f"received {', '.join(map(str, formats[:9]))}"
        )


def _inside(entry: Entry, data: bytes) -> bool:
    return entry.place + entry.size <= len(data)


class PixelsOnly(io.BytesIO):
    """The file with a directory that holds nothing but what pixels need, so that nothing else can be misread.

    A colour map is kept for a picture that is made of its places (photometric 3) alone. The data are not copied: what
    is read of the directory's place is replaced.
    """

    def __init__(self, data: bytes, directory: Directory) -> None:
        super().__init__(data)
        palette = directory.number(data, 262) == 3
        kept = [tag for tag in directory.raw if tag in PIXEL_TAGS and (tag != 320 or palette)]
        length, place = "QQ" if 43 in data[2:4] else "HI"
        head = struct.pack(directory.order + length, len(kept)) + b"".join(directory.raw[tag] for tag in kept)
        self.start, end = directory.span
        self.head = head + bytes(end - self.start - len(head) + struct.calcsize(place))  # and no next directory

    def read(self, size: int | None = -1) -> bytes:
        place = self.tell()
        found = super().read(size)
        return bytes(self._replaced(place, bytearray(found))) if self._is_touched(place, len(found)) else found

    def readinto(self, buffer: Any) -> int:
        place = self.tell()
        count = super().readinto(buffer)
        if self._is_touched(place, count):
            self._replaced(place, memoryview(buffer).cast("B")[:count])
        return count

    def _is_touched(self, place: int, count: int) -> bool:
        return place < self.start + len(self.head) and self.start < place + count

    def _replaced(self, place: int, found: bytearray | memoryview) -> bytearray | memoryview:
        """What was read at a place, with the directory's bytes put into it."""
        first, last = max(place, self.start), min(place + len(found), self.start + len(self.head))
        found[first - place : last - place] = self.head[first - self.start : last - self.start]
        return found
