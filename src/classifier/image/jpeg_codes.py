"""A JPEG's Huffman tables, made for walking: for each 16 bits that may come next, what they begin
with.

An entry says how many bits a code takes, together with the bits of the number that follows it, and
what it means.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Table = list[int]

END = 128  # as an advance: the block ends here
SIXTEEN_ZEROS = 80

_WINDOWS = 1 << 16  # how many 16 bits there are
# An entry is bits << 8 | meaning. A code that does not exist leads beyond any data.
_NO_CODE = 1 << 32  # bits


class Codes(NamedTuple):
    """Huffman codes in order: their lengths and symbols, and how many 16 bits begin with each.

    The last one stands for all 16 bits that begin with none.
    """

    lengths: npt.NDArray[np.int64]
    symbols: npt.NDArray[np.int64]
    spans: npt.NDArray[np.int64]

    @property
    def sizes(self) -> npt.NDArray[np.int64]:
        """The bits of the number that follows each code."""
        return self.symbols & 15

    @property
    def runs(self) -> npt.NDArray[np.int64]:
        """The other half of each symbol: of AC, how many zeros come first."""
        return self.symbols >> 4


def codes(counts: bytes, symbols: bytes) -> Codes:
    """The codes of a table (T.81, annex C).

    counts: how many codes there are of 1 to 16 bits. symbols: of each code, shortest first.

    Raises LookupError where the two make no table.
    """
    lengths = np.repeat(np.arange(1, 17), list(counts.ljust(16, b"\0")))
    spans = _WINDOWS >> lengths
    unused = _WINDOWS - int(spans.sum())
    if unused < 0 or len(symbols) != len(lengths):
        raise LookupError("The table has more codes than there is room for, or than symbols.")
    return Codes(np.append(lengths, _NO_CODE), np.array([*symbols, 0]), np.append(spans, unused))


def sizes(code: Codes) -> Table:
    """For DC: the code and the number's bits, no meaning."""
    return _table((code.lengths + code.sizes) << 8, code)


def runs(code: Codes) -> Table:
    """For AC: bits, and 1 to 16 coefficients of which the last is not zero; 80: 16 that are.

    128 + n: the block ends here, and n more bits say how many others do.
    """
    end = np.where(code.runs == 15, SIXTEEN_ZEROS, END + code.runs)
    meaning = np.where(code.sizes > 0, code.runs + 1, end)
    return _table((code.lengths + code.sizes) << 8 | meaning, code)


def refinements(code: Codes) -> Table:
    """For AC once more: bits, a sign's included, and the symbol."""
    return _table((code.lengths + (code.sizes > 0)) << 8 | code.symbols, code)


def pairs(code: Codes) -> tuple[Table, Table]:
    """For sequential AC: bits and advance, of one code, and of as many as 16 bits hold."""
    advance = np.where((code.sizes > 0) | (code.runs == 15), code.runs + 1, END)
    entries = (code.lengths + code.sizes) << 8 | advance
    one = several = np.repeat(entries, code.spans)
    windows = np.arange(_WINDOWS)
    for _ in range(2):
        bits = np.minimum(several >> 8, 16)
        following = one[(windows << bits) & (_WINDOWS - 1)]
        fits = ((several & 255) < 64) & (bits + (following >> 8) <= 16)
        several = several + following * fits
    return _table(entries, code), several.tolist()


def _table(entries: npt.NDArray[np.int64], code: Codes) -> Table:
    """The entry of each code, for all 16 bits that begin with it."""
    table: Table = []
    for entry, span in zip(entries.tolist(), code.spans.tolist(), strict=True):
        table += [entry] * span
    return table
