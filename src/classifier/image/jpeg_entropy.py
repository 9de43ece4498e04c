"""Whether a JPEG without its end marker has all its pixels: a count of its coded blocks.

libjpeg makes up what is missing, and OpenCV does not hear of it. So a missing end marker is
forgiven only where this walk proves that nothing else is missing. It follows the Huffman codes
(ITU-T T.81, annexes F and G) and counts: every block of every scan has to end before the bytes do,
and after the last scan every coefficient must have been sent to its last bit. It computes no
values, but for the one thing that later codes depend on: which coefficients of a progressive image
are not zero.

A part of an image never passes. Up to the cut its codes are those of the whole image, whose next
byte holds at least one more bit of a block. If other bytes follow the cut (zeros of a download that
was given up, say), they would have to go on as codes do: no run beyond its block, and the last byte
filled with ones. Zeros can do the former, so what ends in them passes only where nothing follows.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from classifier.errors import UndecodableImage
from classifier.image import jpeg_blocks as blocks
from classifier.image import jpeg_codes
from classifier.image.jpeg import DHT, DRI, EOI, PROGRESSIVE, SOS, Jpeg

_HUFFMAN_FRAMES = frozenset({0xC0, 0xC1, 0xC2})
# The walk takes 0.35 s a megabyte, and for a progressive photograph of 12 megapixels 2.6 s, which
# libjpeg decodes in 0.2 s. What would take longer is refused.
_BYTES_MAX = 6 * 1024 * 1024
_BLOCKS_MAX = 2_500_000

# What ends a scan, what divides it, and what stands for 0xFF in it.
_MARKER = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]", re.DOTALL)
_RESTART = re.compile(rb"\xff+[\xd0-\xd7]")
_STUFFED = re.compile(rb"\xff+\x00")


def with_end_marker(data: bytes, jpeg: Jpeg) -> bytes:
    """``data`` up to the last of the pixels of ``jpeg``, and an end marker.

    Raises UndecodableImage where anything is missing.
    """
    if jpeg.frame not in _HUFFMAN_FRAMES or len(data) > _BYTES_MAX:
        raise _cut_off()
    try:
        return _Walk(data, jpeg).run()
    except LookupError as error:  # beyond the last byte; a table or component that does not exist
        raise _cut_off() from error


def _cut_off() -> UndecodableImage:
    return UndecodableImage("The image is cut off.")


class _Walk:
    """One walk through the scans of an image: the tables and the planes as they are so far."""

    def __init__(self, data: bytes, jpeg: Jpeg) -> None:
        self._data, self._jpeg = data, jpeg
        self._codes: dict[int, jpeg_codes.Codes] = {}
        self._progressive = jpeg.frame in PROGRESSIVE
        self._interval = 0
        self._blocks_left = _BLOCKS_MAX
        across = max(component.across for component in jpeg.components)
        down = max(component.down for component in jpeg.components)
        self._mcus = _ceil(jpeg.width, 8 * across) * _ceil(jpeg.height, 8 * down)
        self._planes = {
            each.id: blocks.Plane(
                across=each.across,
                down=each.down,
                blocks=_ceil(_ceil(jpeg.width * each.across, across), 8)
                * _ceil(_ceil(jpeg.height * each.down, down), 8),
            )
            for each in jpeg.components
        }

    def run(self) -> bytes:
        """See ``with_end_marker``. Raises LookupError too."""
        for marker, start, end in self._jpeg.segments:
            segment = self._data[start:end]
            if marker == DHT:
                self._read_tables(segment)
            elif marker == DRI:
                self._interval = int.from_bytes(segment[:2])
            elif marker == SOS:
                up_to = self._walk_scan(segment, end)
                if not any(any(plane.missing) for plane in self._planes.values()):
                    return up_to + bytes((0xFF, EOI))
        raise _cut_off()

    def _read_tables(self, segment: bytes) -> None:
        at = 0
        while at < len(segment):
            counts = segment[at + 1 : at + 17]
            symbols = segment[at + 17 : at + 17 + sum(counts)]
            self._codes[segment[at]] = jpeg_codes.codes(counts, symbols)
            at += 17 + len(symbols)

    def _walk_scan(self, header: bytes, start: int) -> bytes:
        """Walk the scan whose compressed data begins at ``start``.

        Returns the image up to the last byte that the scan needs.
        """
        scan = self._read_scan(header)
        self._record(scan)
        walk = self._walker(scan)
        units = scan.planes[0].blocks if len(scan.planes) == 1 else self._mcus
        interval = self._interval or units
        ends = _MARKER.search(self._data, start)
        parts = _parts(self._data, start, ends.start() if ends else len(self._data))
        for unit in range(0, units, interval):
            part_start, part = next(parts, (start, b""))
            bits = walk(_windows(part), unit, min(interval, units - unit))
            if not blocks.ends_well(part, bits):
                raise _cut_off()
        return self._data[:part_start] + part[: _ceil(bits, 8)].replace(b"\xff", b"\xff\x00")

    def _read_scan(self, header: bytes) -> "_Scan":
        after = 1 + 2 * header[0]
        selectors = range(1, after, 2)
        scan = _Scan(
            planes=[self._planes[header[at]] for at in selectors],
            dc=[header[at + 1] >> 4 for at in selectors],
            ac=[16 + (header[at + 1] & 15) for at in selectors],
            first=header[after],
            last=header[after + 1],
            high=header[after + 2] >> 4,
            low=header[after + 2] & 15,
        )
        # A sequential scan holds all of its blocks, whatever its header says.
        return scan if self._progressive else scan._replace(first=0, last=63, high=0, low=0)

    def _record(self, scan: "_Scan") -> None:
        """Note which bits ``scan`` sends. Raises UndecodableImage where it is not its turn."""
        self._blocks_left -= sum(plane.blocks for plane in scan.planes)
        in_order = not scan.high or scan.low == scan.high - 1
        # In progressive images, DC has scans of its own, and AC one component a scan.
        alone = not scan.first or len(scan.planes) == 1
        mixed = self._progressive and not scan.first and scan.last
        if self._blocks_left < 0 or not scan.planes or not in_order or not alone or mixed:
            raise _cut_off()
        for plane in scan.planes:
            for coefficient in range(scan.first, scan.last + 1):
                if plane.missing[coefficient] != (scan.high or blocks.ALL_BITS):
                    raise _cut_off()
                plane.missing[coefficient] = scan.low

    def _walker(self, scan: "_Scan") -> blocks.Walker:
        """The walk through the blocks of ``scan``."""
        plane, first, last = scan.planes[0], scan.first, scan.last
        if first and scan.high:
            table = jpeg_codes.refinements(self._codes[scan.ac[0]])
            return blocks.ac_refinement(plane, table, first, last)
        if first:
            return blocks.ac_first(plane, jpeg_codes.runs(self._codes[scan.ac[0]]), first, last)
        # Which of the scan's components each block of an MCU belongs to.
        several = len(scan.planes) > 1
        mcu = [
            number
            for number, plane in enumerate(scan.planes)
            for _ in range(plane.across * plane.down if several else 1)
        ]
        if scan.high:
            return lambda _windows, _unit, count: count * len(mcu)  # a bit for each block
        dc = [jpeg_codes.sizes(self._codes[table]) for table in scan.dc]
        if self._progressive:
            return blocks.dc_first([dc[number] for number in mcu])
        ac = [jpeg_codes.pairs(self._codes[table]) for table in scan.ac]
        return blocks.sequential([(dc[number], ac[number]) for number in mcu])


class _Scan(NamedTuple):
    """A scan's header. dc, ac: the tables of each of its planes.

    first, last: its coefficients. high, low: how many of their bits were left to send before it (0:
    all), and are after it.
    """

    planes: list[blocks.Plane]
    dc: list[int]
    ac: list[int]
    first: int
    last: int
    high: int
    low: int


def _parts(data: bytes, start: int, end: int) -> Iterator[tuple[int, bytes]]:
    """Where the data of each restart interval begins, and its bytes without those stuffed in."""
    while True:
        restart = _RESTART.search(data, start, end)
        part = data[start : restart.start() if restart else end].rstrip(b"\xff")
        yield start, _STUFFED.sub(b"\xff", part)
        if not restart:
            return
        start = restart.end()


def _windows(part: bytes) -> blocks.Windows:
    """The 32 bits that begin at each byte of ``part``."""
    padded = np.frombuffer(part + bytes(8), np.uint8).astype(np.uint32)
    windows = padded[:-3] << 24 | padded[1:-2] << 16 | padded[2:-1] << 8 | padded[3:]
    return memoryview(windows)


def _ceil(number: int, divisor: int) -> int:
    return -(-number // divisor)
