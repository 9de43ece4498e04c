"""What looks alike among images: their neighbours, and sets of near-duplicates."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tools.model.groups import join, sets
from tools.model.similar.embedded import Embedded
from tools.model.similar.neighbours import Neighbours
from tools.model.tiles import pairs_of, tiles


@dataclass(frozen=True)
class Neighbour:
    """Another image: its place among them, and the cosine of both embeddings."""

    index: int
    similarity: float


@dataclass(frozen=True)
class Similar:
    """sets: the indices of near-duplicates, largest sets first. minimum: the cosine they have."""

    images: Embedded
    neighbours: Neighbours
    sets: list[list[int]]
    minimum: float

    def neighbours_of(self, index: int) -> list[Neighbour]:
        """The nearest first."""
        return [
            Neighbour(int(each), float(similarity))
            for each, similarity in zip(
                self.neighbours.indices[index], self.neighbours.similarities[index], strict=True
            )
        ]

    def closest(self) -> list[int]:
        """Images that are in no set, the most similar to another first; all where all are."""
        alone = np.ones(len(self.images.names), bool)
        alone[[index for members in self.sets for index in members]] = False
        indices = np.flatnonzero(alone) if alone.any() else np.arange(len(alone))
        order = np.argsort(-self.neighbours.similarities[indices, 0], kind="stable")
        return [int(index) for index in indices[order]]

    def lines(self, indices: Sequence[int]) -> Iterator[dict[str, Any]]:
        """The images at ``indices`` as JSON has them. set: a number, the same for duplicates."""
        numbers = {
            index: number for number, members in enumerate(self.sets, 1) for index in members
        }
        names = self.images.names
        for index in indices:
            yield {
                "image": names[index],
                "set": numbers.get(index),
                "neighbours": [
                    {"image": names[each.index], "similarity": round(each.similarity, 4)}
                    for each in self.neighbours_of(index)
                ],
            }


def find_similar(
    images: Embedded, count: int, minimum: float, advance: Callable[[], None]
) -> Similar:
    """Compare each of ``images`` with every other.

    count: of neighbours. minimum: of the cosine of near-duplicates; sets grow by such pairs.
    advance: called after each tile.
    """
    vectors, groups = images.vectors, images.groups
    neighbours = Neighbours.none(len(vectors), count)
    for rows, columns, products in tiles(vectors, vectors):
        groups = join(groups, *pairs_of(rows, columns, products, minimum))
        neighbours.add(rows, columns, products)
        advance()
    return Similar(images, neighbours, sorted(sets(groups), key=len, reverse=True), minimum)
