"""The lengths of a JPEG's coded blocks: Huffman tables made for walking, and the four walks.

A table has an entry for each 16 bits that may come next: how many bits the code takes, together
with the bits of the number that follows it, and what it means. A walk goes through the blocks of
one restart interval and returns the position of the bit behind the last.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

ALL_BITS = 255  # no scan has sent a coefficient yet

# What a walker takes: 32 bits from each byte on; the first unit (a block, or an MCU of several
# components); how many. It raises IndexError where it leaves the bytes.
Windows = memoryview
Walker = Callable[[Windows, int, int], int]
Table = list[int]
Codes = npt.NDArray[np.int64]

_CODES = 1 << 16
# An entry is bits << 8 | meaning. A code that does not exist leads beyond any data.
_NO_CODE = 1 << 40
_END = 128  # as an advance: the block ends here


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


def codes(counts: bytes, symbols: bytes) -> Codes:
    """Length << 8 | symbol for each 16 bits (T.81, annex C).

    counts: how many codes there are of 1 to 16 bits. symbols: of each code, shortest first.

    Raises LookupError where the two make no table.
    """
    table = np.full(_CODES, _NO_CODE, np.int64)
    code, lengths = 0, [length for length in range(1, 17) for _ in range(counts[length - 1])]
    for length, symbol in zip(lengths, symbols, strict=False):
        size = 1 << (16 - length)
        table[code : code + size] = length << 8 | symbol
        code += size
    if code > _CODES or len(symbols) != len(lengths):
        raise LookupError("The table has more codes than there is room for, or than symbols.")
    return table


def sizes(code: Codes) -> Table:
    """For DC: the code and the number's bits, no meaning."""
    return _table(code + ((code & 15) << 8))


def runs(code: Codes) -> Table:
    """For AC: bits, and 1 to 16 coefficients of which the last is not zero; 80: 16 that are.

    128 + n: the block ends here, and n more bits say how many others do.
    """
    size, run = code & 15, code >> 4 & 15
    meaning = np.where(size > 0, run + 1, np.where(run == 15, 80, _END + run))
    return _table(((code >> 8) + size) << 8 | meaning)


def refinements(code: Codes) -> Table:
    """For AC once more: bits, a sign's included, and the symbol."""
    return _table(code + ((code & 15) > 0) * 256)


def pairs(code: Codes) -> tuple[Table, Table]:
    """For sequential AC: bits and advance, of one code, and of as many as 16 bits hold."""
    size, run = code & 15, code >> 4 & 15
    advance = np.where((size > 0) | (run == 15), run + 1, _END)
    one = ((code >> 8) + size) << 8 | advance
    several = one.copy()
    for _ in range(3):
        bits = several >> 8
        rest = (np.arange(_CODES) << np.minimum(bits, 16)) & (_CODES - 1)
        fits = ((several & 255) < 64) & (bits + (one[rest] >> 8) <= 16)
        several = np.where(fits, several + one[rest], several)
    return _table(one), _table(several)


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
                    if 64 <= after < _END or after >= _END + 64:
                        entry = one[bits]
                        after = k + (entry & 255)
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
                if meaning >= _END:
                    run = meaning - _END
                    ended = (1 << run) - 1 + _number(windows, at, run)
                    at += run
                    break
                k += meaning & 31
                if meaning <= 16:
                    nonzero |= 1 << k - 1
            plane.nonzero[block] |= nonzero
            block += 1 + ended
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
                if entry & 15:
                    nonzero |= 1 << k
                k += 1
            if ended:
                at += (nonzero >> k & (1 << max(last + 1 - k, 0)) - 1).bit_count()
                ended -= 1
            plane.nonzero[block] = nonzero
        return at

    return walk


def _table(entries: Codes) -> Table:
    table: Table = entries.tolist()  # a list's items come three times as fast as an array's
    return table


def _number(windows: Windows, at: int, bits: int) -> int:
    """The ``bits`` bits (at most 14) at ``at``."""
    return windows[at >> 3] >> 32 - (at & 7) - bits & (1 << bits) - 1
