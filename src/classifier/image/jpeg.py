"""A JPEG's segments: what it says of itself before a decoder sees it.

The rules for markers are those of libjpeg: bytes between segments that are no marker are skipped,
and the image ends at its end marker, whatever follows.
"""

import re
import struct
from dataclasses import dataclass
from typing import NamedTuple

from classifier.errors import UndecodableImage
from classifier.image.exif import UPRIGHT, read_orientation

SIGNATURE = b"\xff\xd8\xff"

# Markers of ITU-T T.81, table B.1.
DHT, SOS, EOI, DRI = 0xC4, 0xDA, 0xD9, 0xDD
PROGRESSIVE = frozenset({0xC2, 0xCA})
# Baseline, extended and progressive, with Huffman or arithmetic coding: what cameras, browsers and
# editors write. The decoder also knows lossless frames, and nobody needs them here.
_FRAMES = frozenset({0xC0, 0xC1, 0xC9}) | PROGRESSIVE
_OTHER_FRAMES = frozenset({0xC3, 0xC5, 0xC6, 0xC7, 0xC8, 0xCB, 0xCD, 0xCE, 0xCF})
_APP1 = 0xE1
# Tables, restart interval, comments, application segments: DHT, DAC, DQT, DNL, DRI, COM, APPn.
_OTHER_SEGMENTS = frozenset({0xC4, 0xCC, 0xDB, 0xDC, 0xDD, 0xFE, *range(0xE0, 0xF0)})
_NO_LENGTH = frozenset({0x01, *range(0xD0, 0xD8)})  # TEM, RST0 to RST7

_MARKER = re.compile(rb"\xff[^\x00\xff]", re.DOTALL)
# In compressed data 0xFF itself is followed by 0, and restarts count from 0 to 7.
_MARKER_AFTER_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]", re.DOTALL)
# A progressive JPEG is decoded once more for each scan, so a small file could take minutes.
# Encoders write about ten.
_SCANS_MAX = 32


class Component(NamedTuple):
    """One colour plane: its id, and its samples across and down in each unit of the image."""

    id: int
    across: int
    down: int


@dataclass(frozen=True)
class Jpeg:
    """A JPEG's header.

    width, height: as stored, pixels. orientation: as EXIF counts, 1 to 8. frame: the marker of
    the frame. components: its colour planes. segments: marker, start and end of what follows the
    marker's length, for each segment that has one. end: where the image ends, its end marker
    included; None where that is missing.
    """

    width: int
    height: int
    orientation: int
    frame: int
    components: tuple[Component, ...]
    segments: tuple[tuple[int, int, int], ...]
    end: int | None
    type: str = "jpeg"

    def decoding_bytes(self, reduction: int) -> int:
        """What decoding takes at most at 1/``reduction`` of each side, bytes.

        The output is there twice, for OpenCV's Python binding copies it; or once, beside the
        coefficients of an image of several scans: two bytes for each sample at full size.
        """
        pixels = self.width * self.height
        scans = sum(marker == SOS for marker, _, _ in self.segments)
        coefficients = 0.0
        if scans > 1 or self.frame in PROGRESSIVE:
            across = max(component.across for component in self.components)
            down = max(component.down for component in self.components)
            samples = sum(c.across * c.down / (across * down) for c in self.components)
            coefficients = 2 * samples * pixels
        output = 3 * pixels / reduction**2
        return int(output + max(output, coefficients))


def read_jpeg(data: bytes) -> Jpeg:
    """Walk the segments of ``data`` up to the end of the image.

    Raises UndecodableImage.
    """
    frame: tuple[int, int, int, tuple[Component, ...]] | None = None
    segments: list[tuple[int, int, int]] = []
    scans, orientation, end = 0, UPRIGHT, None
    at, next_marker = 2, _MARKER
    while match := next_marker.search(data, at):
        marker, at, next_marker = data[match.start() + 1], match.end(), _MARKER
        if marker in _NO_LENGTH:
            continue
        if marker == EOI:
            end = at
            break
        start, at = at + 2, at + max(int.from_bytes(data[at : at + 2]), 2)
        if at > len(data) or not _follows(marker, frame is not None, scans):
            break
        segments.append((marker, start, at))
        if marker in _FRAMES:
            frame = _read_frame(marker, data[start:at])
        elif marker == _APP1 and orientation == UPRIGHT and data.startswith(b"Exif\0\0", start):
            orientation = read_orientation(data[start:at])
        elif marker == SOS:
            scans += 1
            if scans > _SCANS_MAX:
                raise UndecodableImage(f"The JPEG has more than {_SCANS_MAX} scans.")
            next_marker = _MARKER_AFTER_SCAN
    if frame is None or not scans:
        raise UndecodableImage(
            "The JPEG holds no image." if end else "The JPEG is cut off or its markers are damaged."
        )
    kind, width, height, components = frame
    return Jpeg(width, height, orientation, kind, components, tuple(segments), end)


def _follows(marker: int, has_frame: bool, scans: int) -> bool:
    """Whether ``marker`` may stand where it does. After a scan, another one ends the image."""
    if marker in _FRAMES:
        return not has_frame
    if marker == SOS:
        return has_frame
    if marker in _OTHER_FRAMES and not scans:
        raise UndecodableImage("The JPEG is lossless or hierarchical; send a baseline JPEG.")
    return marker in _OTHER_SEGMENTS


def _read_frame(marker: int, frame: bytes) -> tuple[int, int, int, tuple[Component, ...]]:
    """The frame's marker, width, height and components."""
    depth, height, width, count = struct.unpack_from(">BHHB", frame)
    if depth != 8:
        raise UndecodableImage(f"The JPEG has {depth} bits a sample; send one with 8.")
    components = tuple(
        Component(frame[at], frame[at + 1] >> 4, frame[at + 1] & 15)
        for at in range(6, 6 + 3 * count, 3)
    )
    if not components or not all(1 <= c.across <= 4 and 1 <= c.down <= 4 for c in components):
        raise UndecodableImage("The JPEG's header is damaged.")
    return marker, width, height, components
