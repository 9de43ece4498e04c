"""malloc's settings: large blocks return to the system when they are freed."""

import ctypes

_M_MMAP_THRESHOLD = -3  # glibc's malloc.h
_LARGE = 4 * 1024 * 1024


def return_large_blocks() -> None:
    """Let malloc map blocks of 4 MiB and more by themselves, for the life of the process.

    glibc raises that bound by itself to the largest block freed so far, up to 32 MiB (mallopt(3)).
    Then the memory of images and batches stays in the heap, below small blocks that came to lie
    above it: 60 to 80 MB after some requests with sixteen images. A bound below 4 MiB spares little
    more, and maps each batch's input anew.
    """
    ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE)
