"""A pool of execution environments: the first free one takes the next call."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import LifoQueue
from time import monotonic

from tools.local.environment import Environment


@dataclass(frozen=True)
class Response:
    """The function's response, JSON. environment: the number of the one that gave it, from 1."""

    body: bytes
    environment: int


class Pool:
    """Environments side by side, as Lambda scales: each takes one call at a time."""

    def __init__(self, environments: Sequence[Environment]) -> None:
        self._environments = environments
        # Last in, first out: Lambda too prefers the environment that is still warm.
        self._idle: LifoQueue[int] = LifoQueue()
        for number in reversed(range(len(environments))):
            self._idle.put(number)

    def __len__(self) -> int:
        return len(self._environments)

    def warm(self, event: bytes) -> list[tuple[bytes, float]]:
        """Start all at once with ``event``; returns each one's response and its time, seconds.

        Raises EnvironmentFailed.
        """

        def call(environment: Environment) -> tuple[bytes, float]:
            start = monotonic()
            return environment.invoke(event), monotonic() - start

        with ThreadPoolExecutor(len(self._environments)) as threads:
            return list(threads.map(call, self._environments))

    def invoke(self, event: bytes) -> Response:
        """Wait for an environment and call it. Raises EnvironmentFailed, TimedOut."""
        number = self._idle.get()
        try:
            return Response(self._environments[number].invoke(event), number + 1)
        finally:
            self._idle.put(number)

    def stop(self) -> None:
        """End them all."""
        with ThreadPoolExecutor(len(self._environments)) as threads:
            list(threads.map(Environment.stop, self._environments))
