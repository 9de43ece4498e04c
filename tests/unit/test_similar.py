"""Neighbours, sets and tiles against the same worked out at once; results of batches as input."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tools.errors import ToolError
from tools.model import tiles as tiling
from tools.model.groups import join, sets, ungrouped
from tools.model.similar.embedded import read_results
from tools.model.similar.neighbours import Neighbours
from tools.model.similar.similar import find_similar
from tools.model.tiles import count_tiles, near_pairs, tiles


def directions(count: int, length: int = 8) -> np.ndarray:
    vectors = np.random.default_rng(0).normal(size=(count, length)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture(params=[7, 10, 64])
def side(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(tiling, "SIDE", request.param)
    return int(request.param)


def test_tiles_cover_every_pair_once(side: int) -> None:
    vectors = directions(30)
    seen = np.zeros((30, 30), int)
    count = 0
    for rows, columns, products in tiles(vectors, vectors):
        np.testing.assert_allclose(products, vectors[rows] @ vectors[columns].T, atol=1e-6)
        seen[rows, columns] += 1
        count += 1
    assert (seen[np.triu_indices(30)] == 1).all()
    assert count == count_tiles(30)


def test_near_pairs_are_all_of_them(side: int) -> None:
    vectors = directions(40)
    pairs = list(near_pairs(vectors, vectors, 0.5))
    left, right = (np.concatenate(part) for part in zip(*pairs, strict=True))
    expected = np.argwhere(np.triu(vectors @ vectors.T >= 0.5, 1))
    assert sorted(zip(left, right, strict=True)) == [tuple(pair) for pair in expected]
    assert len(expected) > 20


@pytest.mark.parametrize("count", [1, 5, 100])
def test_neighbours_are_the_nearest(side: int, count: int) -> None:
    vectors = directions(50)
    neighbours = Neighbours.none(50, count)
    for tile in tiles(vectors, vectors):
        neighbours.add(*tile)
    products = vectors @ vectors.T
    np.fill_diagonal(products, -np.inf)
    expected = np.argsort(-products, axis=1)[:, : min(count, 49)]
    np.testing.assert_array_equal(neighbours.indices, expected)
    np.testing.assert_allclose(
        neighbours.similarities, np.take_along_axis(products, expected, axis=1), atol=1e-6
    )


def test_groups_grow_by_pairs() -> None:
    groups = join(ungrouped(9), np.array([7, 1, 5, 3]), np.array([5, 3, 8, 7]))
    assert groups.tolist() == [0, 1, 2, 1, 4, 1, 6, 1, 1]
    assert sets(groups) == [[1, 3, 5, 7, 8]]
    assert sets(join(groups, np.array([0]), np.array([2]))) == [[0, 2], [1, 3, 5, 7, 8]]
    nothing = np.array([], int)
    assert join(groups, nothing, nothing) is groups


def test_a_long_chain_is_one_group() -> None:
    order = np.random.default_rng(0).permutation(5000)
    groups = join(ungrouped(5000), order[:-1], order[1:])
    assert (groups == 0).all()


def line(key: str, embedding: list[float], **members: Any) -> dict[str, Any]:
    model = {"name": "net", "version": "1"}
    return {
        "bucket": None,
        "key": key,
        "model": model,
        "labels": [],
        "embedding": embedding,
    } | members


def write(file: Path, *lines: Any) -> Path:
    file.write_text("".join(json.dumps(each) + "\n" for each in lines))
    return file


def test_results_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    file = write(
        tmp_path / "results.jsonl",
        line("a.jpg", [3, 4]),
        line("b.jpg", [0.6, 0.8], bucket="photos"),
        {"bucket": None, "key": "c.jpg", "error": {"code": "undecodable-image"}},
        line("a.jpg", [1, 0]),
        line("d.jpg", [0, 0]),
    )
    images = read_results(file, tmp_path)
    assert images.names == ("a.jpg", "s3://photos/b.jpg", "d.jpg")
    assert images.files == (tmp_path / "a.jpg", None, None)
    assert images.failures == ("c.jpg: undecodable-image",)
    np.testing.assert_allclose(images.vectors, [[0.6, 0.8], [0.6, 0.8], [0, 0]], atol=1e-6)
    assert find_similar(images, 1, 0.95, lambda: None).sets == [[0, 1]]
    assert images.index("s3://photos/b.jpg") == 1
    assert images.index(str(tmp_path / "a.jpg")) == 0
    with pytest.raises(ToolError, match=r"--query x\.jpg: none of the images"):
        images.index("x.jpg")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([line("a", [1, 0]), {"key": "b", "labels": []}], "line 2 has no embedding; .*--embedding"),
        ([line("a", [1, 0]), line("b", [1, 0, 0])], "line 2 is of another network"),
        ([line("a", [1, 0]), line("b", [1, 0], model={})], "line 2 is of another network"),
        ([line("a", [1, 0])], "fewer than two images"),
        ([{"Key": "a"}], "line 1 has no key"),
        ([["a"]], "line 1 is no JSON object"),
        ([], "fewer than two images"),
    ],
)
def test_results_that_cannot_be_compared_are_refused(
    tmp_path: Path, lines: list[Any], message: str
) -> None:
    with pytest.raises(ToolError, match=message):
        read_results(write(tmp_path / "results.jsonl", *lines), None)


def test_what_is_no_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("{\n")
    with pytest.raises(ToolError, match="line 1 is no JSON object"):
        read_results(tmp_path / "text", None)
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\n")
    with pytest.raises(ToolError, match=r"no results of a batch; name a folder of images"):
        read_results(tmp_path / "bytes", None)
