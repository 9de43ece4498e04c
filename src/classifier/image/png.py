"""A PNG's chunks: what it says of itself, and those of them that a decoder is shown.

The decoder gets what the pixels need and nothing else: animation, colour profiles and compressed
text are where decoders go wrong. Transparency by palette or by colour is applied here or in
``decode``, so libpng never sees it.
"""

import struct
import zlib
from dataclasses import dataclass
from typing import NamedTuple

from classifier.errors import UndecodableImage
from classifier.image.exif import UPRIGHT, read_orientation
from classifier.image.png_rows import check_rows, rows_bytes

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_GREY, _RGB, _PALETTE, _GREY_ALPHA, _RGB_ALPHA = 0, 2, 3, 4, 6
_CHANNELS = {_GREY: 1, _RGB: 3, _PALETTE: 1, _GREY_ALPHA: 2, _RGB_ALPHA: 4}
_DEPTHS = {
    _GREY: (1, 2, 4, 8, 16),
    _RGB: (8, 16),
    _PALETTE: (1, 2, 4, 8),
    _GREY_ALPHA: (8, 16),
    _RGB_ALPHA: (8, 16),
}
_PIXELS = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND"})
_CHUNKS_MAX = 65_536
_HARMLESS = 128 * 1024  # bytes; inflated a thousandfold, still under half a second's work


class Chunk(NamedTuple):
    """A chunk's type, where its length and its content begin, where they end, and the checksum
    does.

    In a file that is cut off, ``content_end`` and ``end`` are the end of the file.
    """

    kind: bytes
    start: int
    content_end: int
    end: int

    def content(self, data: bytes) -> bytes:
        """What the chunk of ``data`` holds."""
        return data[self.start + 8 : self.content_end]


@dataclass(frozen=True)
class Png:
    """A PNG's header.

    width, height: pixels. orientation: as EXIF counts, 1 to 8. depth: bits a sample. color: the
    colour type. interlaced: in seven passes. chunks: all up to the end. ended: whether the end
    chunk is there. transparency: the first tRNS chunk's content.
    """

    width: int
    height: int
    orientation: int
    depth: int
    color: int
    interlaced: bool
    chunks: tuple[Chunk, ...]
    ended: bool
    transparency: bytes
    type: str = "png"

    @property
    def has_alpha(self) -> bool:
        """Whether each pixel has its own transparency."""
        return self.color in {_GREY_ALPHA, _RGB_ALPHA}

    @property
    def transparent_color(self) -> tuple[int, ...] | None:
        """The one colour that is transparent, as decoded: grey, or blue, green, red."""
        channels = _CHANNELS[self.color]
        if self.color not in {_GREY, _RGB} or len(self.transparency) < 2 * channels:
            return None
        samples = struct.unpack_from(f">{channels}H", self.transparency)
        if self.depth == 16:
            return samples[::-1]
        largest = (1 << self.depth) - 1  # the decoder stretches fewer bits to eight
        return tuple((sample & largest) * (255 // largest) for sample in reversed(samples))

    def decoding_bytes(self) -> int:
        """What decoding takes at most: the output twice, for OpenCV's Python binding copies it."""
        channels = 4 if self.has_alpha else 3
        whole_samples = self.has_alpha or self.transparent_color is not None
        sample = 2 if self.depth == 16 and whole_samples else 1
        return 2 * self.width * self.height * channels * sample


def read_png(data: bytes) -> Png:
    """Walk the chunks of ``data`` once.

    Raises UndecodableImage.
    """
    chunks, ended = _read_chunks(data)
    header = chunks[0].content(data)
    if chunks[0].kind != b"IHDR" or len(header) != 13:
        raise UndecodableImage("The PNG does not begin with its header.")
    width, height, depth, color, *methods = struct.unpack(">IIBBBBB", header)
    if depth not in _DEPTHS.get(color, ()) or methods[:2] != [0, 0] or methods[2] > 1:
        raise UndecodableImage("The PNG's header is damaged.")
    orientation, transparency, has_pixels = UPRIGHT, b"", False
    for chunk in chunks:
        if chunk.kind == b"IDAT":
            has_pixels = True
        elif chunk.kind == b"eXIf" and orientation == UPRIGHT:
            orientation = read_orientation(chunk.content(data))
        elif chunk.kind == b"tRNS" and not (has_pixels or transparency):
            transparency = chunk.content(data)
    if not has_pixels:
        raise UndecodableImage("The PNG holds no image.")
    interlaced = methods[2] == 1
    return Png(width, height, orientation, depth, color, interlaced, chunks, ended, transparency)


def without_other_chunks(data: bytes, png: Png) -> bytes:
    """``data`` with those of its chunks alone that its pixels need; of an animation, the first
    image.

    Transparency by palette is composed onto white. A missing end is added where every row is there:
    the stream of pixels has its own end and checksum, and is as long as all rows.

    Raises UndecodableImage.
    """
    compressed = [chunk for chunk in png.chunks if chunk.kind == b"IDAT"]
    if not png.ended or sum(chunk.end - chunk.start for chunk in compressed) > _HARMLESS:
        bits = png.depth * _CHANNELS[png.color]
        size = rows_bytes(png.width, png.height, bits, interlaced=png.interlaced)
        view = memoryview(data)
        stream = [view[chunk.start + 8 : chunk.content_end] for chunk in compressed]
        check_rows(stream, size, to_the_end=not png.ended)
    if png.ended and all(chunk.kind in _PIXELS for chunk in png.chunks):
        return data[: png.chunks[-1].end]
    parts = [SIGNATURE]
    for chunk in png.chunks:
        kind, start, content_end, end = chunk
        if kind == b"PLTE" and png.color == _PALETTE and png.transparency:
            parts.append(_chunk(kind, _on_white(chunk.content(data), png.transparency)))
        elif kind in _PIXELS:
            cut_off = content_end + 4 != end
            parts.append(_chunk(kind, chunk.content(data)) if cut_off else data[start:end])
    if not png.ended:
        parts.append(_chunk(b"IEND", b""))
    return b"".join(parts)


def _read_chunks(data: bytes) -> tuple[tuple[Chunk, ...], bool]:
    """The chunks up to the end, and whether the end chunk is there.

    Without it, the last chunk is one of pixels that is cut off, or the last whole one.
    """
    chunks: list[Chunk] = []
    at = len(SIGNATURE)
    while at + 8 <= len(data):
        if len(chunks) == _CHUNKS_MAX:
            raise UndecodableImage(f"The PNG has more than {_CHUNKS_MAX} chunks.")
        length, kind = struct.unpack_from(">I4s", data, at)
        chunk = Chunk(kind, at, at + 8 + length, at + 12 + length)
        if chunk.end > len(data):
            if kind == b"IDAT":
                content_end = min(chunk.content_end, len(data))
                chunks.append(Chunk(kind, at, content_end, len(data)))
            break
        chunks.append(chunk)
        if kind == b"IEND":
            return tuple(chunks), True
        at = chunk.end
    if not any(chunk.kind == b"IDAT" for chunk in chunks):
        raise UndecodableImage("The image is cut off.")
    return tuple(chunks), False


def _on_white(palette: bytes, alphas: bytes) -> bytes:
    """The colours of ``palette`` (red, green, blue each), seen on white through ``alphas``."""
    colors = bytearray(palette)
    for index, alpha in enumerate(alphas):
        for at in range(3 * index, min(3 * index + 3, len(colors))):
            colors[at] = (colors[at] * alpha + 255 * (255 - alpha) + 127) // 255
    return bytes(colors)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )
