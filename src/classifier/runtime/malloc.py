"""The heap: large blocks go back to the system when they are freed."""

import ctypes

_M_MMAP_THRESHOLD = -3  # glibc's malloc.h
_LARGE = 4 * 1024 * 1024


def give_back_large_blocks() -> None:
    """Have malloc keep blocks of 4 MiB and more apart from the heap, for good.

    By itself glibc raises that bound to the largest block freed so far, up to 32 MiB (mallopt(3)).
    Then what images and batches leave behind stays in the heap, held by the small blocks that
    came to lie between: 60 to 80 MB after some requests with sixteen images. A lower bound than
    4 MiB spares little more, and has each batch's input mapped anew.
    """
    ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE)
