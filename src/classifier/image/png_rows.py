"""A PNG's rows, inflated: whether they are all there, and no more."""

import zlib
from collections.abc import Iterable

from classifier.errors import UndecodableImage

# Adam7: the first column and row of each pass, and the steps to the next.
_PASSES = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)
_MB = 1 << 20
_INPUT = 64 * 1024  # bytes at a time: what is left of them is copied for each megabyte of output


def rows_bytes(width: int, height: int, bits: int, *, interlaced: bool) -> int:
    """The size of all rows, inflated. bits: of a pixel. Each row begins with a filter's byte."""
    size = 0
    for left, top, across, down in _PASSES if interlaced else ((0, 0, 1, 1),):
        columns, rows = -(-(width - left) // across), -(-(height - top) // down)
        if columns > 0 and rows > 0:
            size += rows * (1 + -(-columns * bits // 8))
    return size


def check_rows(stream: Iterable[memoryview], size: int, *, to_the_end: bool) -> None:
    """Inflate ``stream`` once, keeping nothing.

    size: of all rows, bytes. to_the_end: whether the rows have to be all there, and the stream's
    own end and checksum behind them.

    Raises UndecodableImage: also where there is more, for libpng reads a stream to its end, however
    long.
    """
    inflated, inflate = 0, zlib.decompressobj()
    for part in stream:
        for at in range(0, len(part), _INPUT):
            rest: bytes | memoryview = part[at : at + _INPUT]
            more = True
            while more and not inflate.eof:
                try:
                    output = inflate.decompress(rest, _MB)
                except zlib.error as error:
                    raise UndecodableImage("The PNG's pixels are damaged.") from error
                inflated += len(output)
                if inflated > size + _MB:
                    raise UndecodableImage("The PNG holds more pixels than its header says.")
                rest = inflate.unconsumed_tail
                more = bool(rest) or len(output) == _MB
    if to_the_end and (inflated < size or not inflate.eof):
        raise UndecodableImage("The image is cut off.")
