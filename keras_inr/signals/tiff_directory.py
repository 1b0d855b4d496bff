"""Is the first directory of a TIFF file whole? tifffile logs a tag that it cannot read and takes its default."""

import struct

from keras_inr.signals.errors import ImageError

_CLASSIC = (4, "I", "H", "HHI", 4)  # place and format of the directory's offset; its length; an entry; inline bytes
_BIG = (8, "Q", "Q", "HHQ", 8)
_TYPE_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_FIRST_PRIVATE_TAG = 32768


def check_directory(data):
    """Raises ImageError unless the first directory and the values of its public tags lie inside the file.

    >>> check_directory(b"II*" + bytes([0, 200, 0, 0, 0]))
    Traceback (most recent call last):
    ...
    keras_inr.signals.errors.ImageError: source is a TIFF file that is truncated: its directory is not whole
    """
    order = "<" if data[:2] == b"II" else ">"
    place, offset_format, length_format, entry_format, inline = _BIG if 43 in data[2:4] else _CLASSIC
    try:
        (offset,) = struct.unpack_from(order + offset_format, data, place)
        (length,) = struct.unpack_from(order + length_format, data, offset)
        entry_at = offset + struct.calcsize(order + length_format)
        for _ in range(length):
            tag, kind, count = struct.unpack_from(order + entry_format, data, entry_at)
            value_at = entry_at + struct.calcsize(order + entry_format)
            entry_at = value_at + inline
            size = count * _TYPE_SIZES.get(kind, 0)
            if size > inline:
                (value_at,) = struct.unpack_from(order + offset_format, data, value_at)
            if tag < _FIRST_PRIVATE_TAG and value_at + size > len(data):
                raise struct.error
    except (struct.error, OverflowError):
        raise ImageError("source is a TIFF file that is truncated: its directory is not whole") from None
