"""What an image's bytes say before any decoder sees them.

A decoder is never handed what was not looked at first: the type by its magic number, the size
from its header, and that it is whole. OpenCV 4.11 allocates gigabytes for a PNG of 454 bytes,
crashes on a JPEG 2000 file of seven kilobytes, and makes up the missing rest of a JPEG; all
three end here. Nothing in this module allocates more than the image's own size.
"""

import re
import struct
import zlib
from dataclasses import dataclass

from classifier.errors import UndecodableImage, UnsupportedImageType

_PNG = b"\x89PNG\r\n\x1a\n"
# What the pixels need (and eXIf, for the orientation). The rest is never shown to the decoder:
# animation, colour profiles and compressed text are where decoders go wrong.
_PNG_CHUNKS = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"eXIf"})
_PNG_CHUNKS_MAX = 65_536
_PNG_HARMLESS = 128 * 1024  # bytes; inflated a thousandfold, still under half a second's work
_MB = 1 << 20

# Markers of ITU-T T.81, table B.1: each way to start a frame; those that have no length.
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_BARE = frozenset({0x01, *range(0xD0, 0xD9)})
_JPEG_SCAN, _JPEG_END = 0xDA, 0xD9
# The next marker in compressed data, where 0xFF itself is followed by 0 and restarts count 0-7.
_JPEG_NEXT = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]", re.DOTALL)
# A progressive JPEG is decoded once more for each scan, so a small file could take minutes.
# Encoders write about ten.
_JPEG_SCANS_MAX = 32

_ORIENTATION = 0x0112
_SHORT = 3


@dataclass(frozen=True)
class Header:
    """What an image says of itself.

    type: "jpeg", "png" or "webp". width, height: as stored, pixels. orientation: what is left to
    undo after decoding, 1 to 8 as EXIF counts; always 1 (none) but for WebP, because OpenCV turns
    the other two upright by itself.
    """

    type: str
    width: int
    height: int
    orientation: int = 1


def sniff(data: bytes) -> Header:
    """Look at ``data`` without decoding it.

    Raises UnsupportedImageType: it is not JPEG, PNG or WebP, or an animated WebP.
    UndecodableImage: it is, but cut off or malformed.
    """
    try:
        if data.startswith(b"\xff\xd8\xff"):
            header = _sniff_jpeg(data)
        elif data.startswith(_PNG):
            header = _sniff_png(data)
        elif data.startswith(b"RIFF") and data[8:12] == b"WEBP":
            header = _sniff_webp(data)
        else:
            raise UnsupportedImageType("The bytes are not a JPEG, PNG or WebP image.")
    except (struct.error, IndexError) as error:
        raise UndecodableImage("The image is cut off.") from error
    if not header.width or not header.height:
        raise UndecodableImage("The image's header says that it has no pixels.")
    return header


def without_ancillary_chunks(data: bytes) -> bytes:
    """The PNG ``data`` (one that ``sniff`` took) without what its pixels do not need.

    Of an animated PNG that leaves the first image.
    """
    chunks = _png_chunks(data)
    if all(kind in _PNG_CHUNKS for kind, _, _ in chunks):
        return data[: chunks[-1][2]]
    kept = [data[start:end] for kind, start, end in chunks if kind in _PNG_CHUNKS]
    return b"".join([_PNG, *kept])


def _sniff_jpeg(data: bytes) -> Header:
    """Walk the markers up to the end of the image; what follows it is nobody's business."""
    size = None
    scans = 0
    at = 2
    while True:
        if data[at] != 0xFF:
            raise UndecodableImage("The JPEG's markers are damaged.")
        marker = data[at + 1]
        if marker == 0xFF:  # fill
            at += 1
            continue
        if marker == _JPEG_END:
            break
        at += 2
        if marker in _JPEG_BARE:
            continue
        (length,) = struct.unpack_from(">H", data, at)
        if marker in _JPEG_FRAMES:
            size = struct.unpack_from(">HH", data, at + 3)
        at += max(length, 2)
        if marker == _JPEG_SCAN:
            scans += 1
            if scans > _JPEG_SCANS_MAX:
                raise UndecodableImage(f"The JPEG has more than {_JPEG_SCANS_MAX} scans.")
            found = _JPEG_NEXT.search(data, at)
            if not found:
                raise UndecodableImage("The image is cut off.")
            at = found.start()
    if size is None or not scans:
        raise UndecodableImage("The JPEG holds no image.")
    return Header("jpeg", width=size[1], height=size[0])


def _sniff_png(data: bytes) -> Header:
    chunks = _png_chunks(data)
    kind, start, end = chunks[0]
    if kind != b"IHDR" or end - start != 25:
        raise UndecodableImage("The PNG does not begin with its header.")
    if not any(kind == b"IDAT" for kind, _, _ in chunks):
        raise UndecodableImage("The PNG holds no image.")
    width, height = struct.unpack_from(">II", data, start + 8)
    _refuse_bomb(data, chunks, width, height)
    return Header("png", width, height)


def _refuse_bomb(
    data: bytes, chunks: list[tuple[bytes, int, int]], width: int, height: int
) -> None:
    """Inflate the pixels once, keeping none: libpng reads a stream to its end, however long."""
    view = memoryview(data)
    parts = [view[start + 8 : end - 4] for kind, start, end in chunks if kind == b"IDAT"]
    if sum(map(len, parts)) < _PNG_HARMLESS:
        return
    left = 8 * width * height + 16 * (height + 8)  # 16 bits, four channels, a filter byte a row
    inflate = zlib.decompressobj()
    for part in parts:
        waiting: bytes | memoryview = part
        while waiting and not inflate.eof:
            try:
                left -= len(inflate.decompress(waiting, _MB))
            except zlib.error as error:
                raise UndecodableImage("The PNG's pixels are damaged.") from error
            if left < 0:
                raise UndecodableImage("The PNG holds more pixels than its header says.")
            waiting = inflate.unconsumed_tail


def _png_chunks(data: bytes) -> list[tuple[bytes, int, int]]:
    """Type, start and end (length and checksum included) of each chunk up to IEND."""
    chunks: list[tuple[bytes, int, int]] = []
    at = len(_PNG)
    while len(chunks) < _PNG_CHUNKS_MAX:
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            raise UndecodableImage("The image is cut off.")
        chunks.append((kind, at, end))
        if kind == b"IEND":
            return chunks
        at = end
    raise UndecodableImage(f"The PNG has more than {_PNG_CHUNKS_MAX} chunks.")


def _sniff_webp(data: bytes) -> Header:
    (length,) = struct.unpack_from("<I", data, 4)
    if length + 8 > len(data):
        raise UndecodableImage("The image is cut off.")
    kind = data[12:16]
    orientation = 1
    if kind == b"VP8X":
        if data[20] & 0x02:
            raise UnsupportedImageType("The WebP is animated; send one frame of it.")
        width = int.from_bytes(data[24:27], "little") + 1
        height = int.from_bytes(data[27:30], "little") + 1
        orientation = _webp_orientation(data)
    elif kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    elif kind == b"VP8 ":
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", data, 26))
    else:
        raise UndecodableImage("The WebP's first chunk is not an image's.")
    return Header("webp", width, height, orientation)


def _webp_orientation(data: bytes) -> int:
    """The orientation in the EXIF chunk that follows the image, if there is one."""
    at = 12
    while at + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, at)
        if kind == b"EXIF":
            return _exif_orientation(data[at + 8 : at + 8 + length].removeprefix(b"Exif\0\0"))
        at += 8 + length + (length & 1)
    return 1


def _exif_orientation(exif: bytes) -> int:
    """The orientation in ``exif`` (a TIFF file's head); 1, upright, where it makes no sense."""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return 1
    try:
        (at,) = struct.unpack_from(order + "I", exif, 4)
        (count,) = struct.unpack_from(order + "H", exif, at)
        for entry in range(at + 2, at + 2 + 12 * count, 12):
            tag, kind, _, value = struct.unpack_from(order + "HHIH", exif, entry)
            if tag == _ORIENTATION and kind == _SHORT and 1 <= value <= 8:
                return int(value)
    except struct.error:
        return 1
    return 1
