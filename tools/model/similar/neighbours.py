"""The nearest neighbours of every vector."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from tools.model.tiles import Products


@dataclass(frozen=True)
class Neighbours:
    """Of each vector, the nearest first. indices: (n, count); similarities: (n, count) float32."""

    indices: npt.NDArray[np.int64]
    similarities: npt.NDArray[np.float32]

    @classmethod
    def none(cls, vectors: int, count: int) -> Self:
        """Before any product was added: no neighbour, and so the worst."""
        count = min(count, vectors - 1)
        return cls(
            np.full((vectors, count), -1), np.full((vectors, count), -np.inf, dtype=np.float32)
        )

    def add(self, rows: slice, columns: slice, products: Products) -> None:
        """Take what is nearer in a tile of the products, which is changed where it is diagonal."""
        if rows == columns:
            np.fill_diagonal(products, -np.inf)  # no vector is its own neighbour
            self._add(rows.start, columns.start, products)
            return
        self._add(rows.start, columns.start, products)
        self._add(columns.start, rows.start, products.T)

    def _add(self, top: int, start: int, products: Products) -> None:
        """Take what is nearer to the vectors from ``top`` on among those from ``start`` on."""
        best = self.similarities[top : top + len(products)]
        # Most rows of most tiles hold nothing nearer: only the others are sorted.
        better = np.flatnonzero(products.max(axis=1) > best[:, -1])
        count = best.shape[1]
        similarities = np.hstack([best[better], products[better]])
        order = np.argpartition(similarities, -count, axis=1)[:, -count:]
        nearest = np.take_along_axis(similarities, order, axis=1)
        by_similarity = np.argsort(-nearest, axis=1, kind="stable")
        order = np.take_along_axis(order, by_similarity, axis=1)
        earlier = np.take_along_axis(
            self.indices[top + better], np.minimum(order, count - 1), axis=1
        )
        self.indices[top + better] = np.where(order < count, earlier, order - count + start)
        self.similarities[top + better] = np.take_along_axis(nearest, by_similarity, axis=1)
