"""The orientation in EXIF, which is a TIFF file's first directory: a walk over bytes."""

import struct

UPRIGHT = 1

_PREFIX = b"Exif\0\0"
_ORIENTATION = 0x0112
# The standard asks for SHORT; some editors write LONG.
_FORMATS = {3: "H", 4: "I"}


def read_orientation(exif: bytes) -> int:
    """The orientation in ``exif``, 1 to 8; 1 (upright) where there is none or it makes no sense.

    exif: the TIFF data, with or without the prefix that JPEG puts before it.
    """
    exif = exif.removeprefix(_PREFIX)
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return UPRIGHT
    try:
        (at,) = struct.unpack_from(order + "I", exif, 4)
        (count,) = struct.unpack_from(order + "H", exif, at)
        for entry in range(at + 2, at + 2 + 12 * count, 12):
            tag, kind = struct.unpack_from(order + "HH", exif, entry)
            if tag == _ORIENTATION and kind in _FORMATS:
                (value,) = struct.unpack_from(order + _FORMATS[kind], exif, entry + 8)
                return value if 1 <= value <= 8 else UPRIGHT
    except struct.error:
        pass
    return UPRIGHT
