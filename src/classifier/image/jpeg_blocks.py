"""The walks through a JPEG's coded blocks.

Each goes through the blocks of one restart interval and returns the position of the bit behind the
last.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from classifier.image.jpeg_codes import END, Table

ALL_BITS = 255  # no scan has sent a coefficient yet
_ZEROS = 16  # bytes

# What a walk takes: 32 bits from each byte on; the first unit (a block, or an MCU of several
# components); how many. It raises LookupError where it leaves the bytes or the codes make no sense.
Windows = memoryview
Walker = Callable[[Windows, int, int], int]


class _Overrun(LookupError):
    """A run of zeros goes beyond its block, or one of empty blocks beyond the interval.

    No encoder writes that. Bytes of something else behind a cut image do it before long.
    """


@dataclass
class Plane:
    """A component. blocks: how many hold its samples.

    across, down: its blocks in an MCU. missing: for each coefficient, how many of its bits no scan
    has sent yet. nonzero: for each block, a bit for each coefficient that is not zero so far.
    """

    across: int
    down: int
    blocks: int
    missing: list[int] = field(default_factory=lambda: [ALL_BITS] * 64)
    nonzero: list[int] = field(default_factory=list)


def sequential(tables: Sequence[tuple[Table, tuple[Table, Table]]]) -> Walker:
    """Through MCUs of baseline blocks, whose DC and AC tables are ``tables``."""

    def walk(windows: Windows, _unit: int, count: int) -> int:
        at = 0
        for _ in range(count):
            for dc, (one, several) in tables:
                at += dc[windows[at >> 3] >> 16 - (at & 7) & 0xFFFF] >> 8
                k = 1
                while k < 64:
                    bits = windows[at >> 3] >> 16 - (at & 7) & 0xFFFF
                    entry = several[bits]
                    after = k + (entry & 255)
                    # Of several codes, one before the last may have filled the block.
                    if 64 <= after < END or after >= END + 64:
                        entry = one[bits]
                        after = k + (entry & 255)
                        if 64 < after < END:
                            raise _Overrun
                    at += entry >> 8
                    k = after
        return at

    return walk


def dc_first(tables: Sequence[Table]) -> Walker:
    """Through MCUs of blocks of which the scan holds DC alone."""

    def walk(windows: Windows, _unit: int, count: int) -> int:
        at = 0
        for _ in range(count):
            for table in tables:
                at += table[windows[at >> 3] >> 16 - (at & 7) & 0xFFFF] >> 8
        return at

    return walk


def ac_first(plane: Plane, table: Table, first: int, last: int) -> Walker:
    """Through blocks of ``plane``, of whose coefficients the scan holds the upper bits."""
    plane.nonzero = plane.nonzero or [0] * plane.blocks

    def walk(windows: Windows, unit: int, count: int) -> int:
        at, block, end = 0, unit, unit + count
        while block < end:
            k, nonzero, ended = first, 0, 0
            while k <= last:
                entry = table[windows[at >> 3] >> 16 - (at & 7) & 0xFFFF]
                at += entry >> 8
                meaning = entry & 255
                if meaning >= END:
                    run = meaning - END
                    ended = (1 << run) - 1 + _number(windows, at, run)
                    at += run
                    break
                k += meaning & 31
                if k > last + 1:
                    raise _Overrun
                if meaning <= 16:
                    nonzero |= 1 << k - 1
            plane.nonzero[block] |= nonzero
            block += 1 + ended
        if block > end:
            raise _Overrun
        return at

    return walk


def ac_refinement(plane: Plane, table: Table, first: int, last: int) -> Walker:
    """Through blocks of ``plane``, of whose coefficients the scan holds one more bit."""
    plane.nonzero = plane.nonzero or [0] * plane.blocks

    def walk(windows: Windows, unit: int, count: int) -> int:
        at = ended = 0
        for block in range(unit, unit + count):
            nonzero, k = plane.nonzero[block], first
            while not ended and k <= last:
                entry = table[windows[at >> 3] >> 16 - (at & 7) & 0xFFFF]
                at += entry >> 8
                run = entry >> 4 & 15
                if not entry & 15 and run < 15:
                    ended = (1 << run) + _number(windows, at, run)
                    at += run
                    break
                # A bit for each coefficient that is not zero, on the way to the next that is.
                while k <= last and (run or nonzero >> k & 1):
                    if nonzero >> k & 1:
                        at += 1
                    else:
                        run -= 1
                    k += 1
                if k > last or entry & 14:
                    raise _Overrun
                if entry & 15:
                    nonzero |= 1 << k
                k += 1
            if ended:
                at += (nonzero >> k & (1 << max(last + 1 - k, 0)) - 1).bit_count()
                ended -= 1
            plane.nonzero[block] = nonzero
        if ended:
            raise _Overrun
        return at

    return walk


def ends_well(part: bytes, bits: int) -> bool:
    """Whether the first ``bits`` bits are all that ``part`` needs.

    They are there, ones fill the last byte, and no row of zeros is what they end in and are
    followed by something.
    """
    size = -(-bits // 8)
    if size > len(part):
        return False
    filler = (1 << -bits % 8) - 1
    if size and part[size - 1] & filler != filler:
        return False
    return size == len(part) or any(part[max(size - _ZEROS, 0) : size])


def _number(windows: Windows, at: int, bits: int) -> int:
    """The ``bits`` bits (at most 14) at ``at``."""
    return windows[at >> 3] >> 32 - (at & 7) - bits & (1 << bits) - 1
