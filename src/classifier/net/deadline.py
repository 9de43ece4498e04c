"""Deadlines: everything that waits gets the time that remains until one moment."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

type Clock = Callable[[], float]


@dataclass(frozen=True)
class Deadline:
    """A moment by which work must be done.

    Attributes:
        at: A reading of ``clock``, seconds.
        clock: Returns seconds and never goes back.
    """

    at: float
    clock: Clock = time.monotonic

    @classmethod
    def after(cls, seconds: float, clock: Clock = time.monotonic) -> Self:
        """The moment ``seconds`` from now."""
        return cls(clock() + seconds, clock)

    def remaining(self) -> float:
        """Seconds until the deadline, above zero.

        Raises:
            TimeoutError: the deadline has passed.
        """
        seconds = self.at - self.clock()
        if seconds <= 0:
            raise TimeoutError("the deadline has passed")
        return seconds

    def within(self, seconds: float) -> "Deadline":
        """The earlier one: this deadline, or the moment ``seconds`` from now."""
        return Deadline(min(self.at, self.clock() + seconds), self.clock)


def elapsed_ms(since: float) -> float:
    """Milliseconds since ``since``, a reading of ``time.monotonic()``."""
    return round((time.monotonic() - since) * 1000, 1)
