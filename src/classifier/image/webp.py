"""A WebP's chunks: what it says of itself, and those of them that a decoder is shown.

The decoder gets a still image without metadata; of an animation it gets the first frame.
"""

import struct
from dataclasses import dataclass
from typing import NamedTuple

from classifier.errors import UndecodableImage
from classifier.image.exif import UPRIGHT, read_orientation

_ANIMATED = 0x02
_ALPHA_FLAG = struct.pack("<I", 0x10)
_CHUNKS_MAX = 65_536
_SIZE_MIN = 32  # bytes; OpenCV looks at as many, and a WebP of one pixel may have fewer


class Chunk(NamedTuple):
    """A chunk's type, and where its content begins and ends."""

    kind: bytes
    start: int
    end: int


class Frame(NamedTuple):
    """Where on the canvas the decoded pixels go, pixels."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True)
class Webp:
    """A WebP's header.

    width, height: of the canvas, pixels. orientation: as EXIF counts, 1 to 8. frame: what the
    pixels cover; all of the canvas but for animations. has_alpha: whether pixels may be
    transparent. chunks: those of the one still image, in order. end: of the file, as the file has
    it.
    """

    width: int
    height: int
    orientation: int
    frame: Frame
    has_alpha: bool
    chunks: tuple[Chunk, ...]
    end: int
    type: str = "webp"

    def decoding_bytes(self) -> int:
        """What decoding takes at most, bytes.

        The output is there twice, for OpenCV's Python binding copies it; or once, beside libwebp's
        own four bytes a pixel.
        """
        pixels = self.frame.width * self.frame.height
        channels = 4 if self.has_alpha else 3
        lossless = any(chunk.kind == b"VP8L" for chunk in self.chunks)
        decoded = max(2 * channels, channels + 4 if lossless else 0) * pixels
        canvas = self.width * self.height
        return decoded if canvas == pixels else max(decoded, 3 * canvas + channels * pixels)


def is_webp(data: bytes) -> bool:
    """Whether ``data`` begins as a WebP does."""
    return data.startswith(b"RIFF") and data[8:12] == b"WEBP"


def read_webp(data: bytes) -> Webp:
    """Walk the chunks of ``data``.

    Raises UndecodableImage, or struct.error where the bytes end early.
    """
    end = struct.unpack_from("<I", data, 4)[0] + 8
    if end > len(data):
        raise UndecodableImage("The image is cut off.")
    if data[12:16] != b"VP8X":
        chunk = _read_chunks(data, 12, end, chunks_max=1)[0]
        width, height, has_alpha = _read_bitstream(data, chunk)
        frame = Frame(0, 0, width, height)
        return Webp(width, height, UPRIGHT, frame, has_alpha, (chunk,), end)
    width = int.from_bytes(data[24:27], "little") + 1
    height = int.from_bytes(data[27:30], "little") + 1
    chunks = _read_chunks(data, 12, end)
    frame = Frame(0, 0, width, height)
    orientation = next((_orientation(data, c) for c in chunks if c.kind == b"EXIF"), UPRIGHT)
    if data[20] & _ANIMATED:
        frame, chunks = _first_frame(data, chunks)
    image = _still(chunks)
    *size, has_alpha = _read_bitstream(data, image[-1])
    fits = frame.left + frame.width <= width and frame.top + frame.height <= height
    if size != [frame.width, frame.height] or not fits:
        raise UndecodableImage("The WebP's header is at odds with its image.")
    has_alpha = has_alpha or len(image) > 1
    return Webp(width, height, orientation, frame, has_alpha, image, end)


def still_image(data: bytes, webp: Webp) -> bytes:
    """``data`` with the chunks of its one image alone."""
    if data[12:16] != b"VP8X":
        content = data[: webp.end]
    else:
        parts = [data[start - 8 : end] + bytes((end - start) & 1) for _, start, end in webp.chunks]
        if len(parts) > 1:  # transparency in a chunk of its own needs the extended header
            sides = (webp.frame.width - 1, webp.frame.height - 1)
            size = b"".join(side.to_bytes(3, "little") for side in sides)
            parts.insert(0, b"VP8X" + struct.pack("<I", 10) + _ALPHA_FLAG + size)
        body = b"WEBP" + b"".join(parts)
        content = b"RIFF" + struct.pack("<I", len(body)) + body
    return content.ljust(_SIZE_MIN, b"\0")


def _read_chunks(data: bytes, at: int, end: int, chunks_max: int = _CHUNKS_MAX) -> list[Chunk]:
    """The chunks from ``at`` to ``end``, at most ``chunks_max``."""
    chunks: list[Chunk] = []
    while at + 8 <= end and len(chunks) < chunks_max:
        kind, length = struct.unpack_from("<4sI", data, at)
        if at + 8 + length > end:
            raise UndecodableImage("The WebP's chunks are damaged.")
        chunks.append(Chunk(kind, at + 8, at + 8 + length))
        at += 8 + length + (length & 1)
    if not chunks:
        raise UndecodableImage("The WebP holds no image.")
    return chunks


def _first_frame(data: bytes, chunks: list[Chunk]) -> tuple[Frame, list[Chunk]]:
    """Where the first frame of an animation stands, and its chunks."""
    for kind, start, end in chunks:
        if kind == b"ANMF":
            header = data[start : min(start + 16, end)]
            left, top, width, height = (
                int.from_bytes(header[at : at + 3], "little") for at in range(0, 12, 3)
            )
            return Frame(2 * left, 2 * top, width + 1, height + 1), _read_chunks(
                data, start + 16, end
            )
    raise UndecodableImage("The WebP holds no image.")


def _still(chunks: list[Chunk]) -> tuple[Chunk, ...]:
    """The chunks of one image: lossless, or lossy with or without transparency before it."""
    alpha: tuple[Chunk, ...] = ()
    for chunk in chunks:
        if chunk.kind == b"VP8L":
            return (chunk,)
        if chunk.kind == b"ALPH":
            alpha = (chunk,)
        if chunk.kind == b"VP8 ":
            return (*alpha, chunk)
    raise UndecodableImage("The WebP holds no image.")


def _read_bitstream(data: bytes, chunk: Chunk) -> tuple[int, int, bool]:
    """Width and height of the image in ``chunk``, and whether it has its own transparency."""
    kind, start, end = chunk
    if kind == b"VP8L" and end - start >= 5 and data[start] == 0x2F:
        (bits,) = struct.unpack_from("<I", data, start + 1)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, bool(bits >> 28 & 1)
    if kind == b"VP8 " and end - start >= 10 and data[start + 3 : start + 6] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", data, start + 6)
        return width & 0x3FFF, height & 0x3FFF, False
    raise UndecodableImage("The WebP's first chunk is not an image's, or it is damaged.")


def _orientation(data: bytes, chunk: Chunk) -> int:
    return read_orientation(data[chunk.start : chunk.end])
