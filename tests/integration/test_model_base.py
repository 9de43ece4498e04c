"""A network without its last layer, and with another one."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from classifier.errors import BundleError
from classifier.model.bundle import Folder, read_bundle
from classifier.model.network import Model
from tools.errors import ToolError
from tools.model.base import Base
from tools.model.digits import held_out_digits
from tools.model.mxnet_files import read_arrays
from tools.model.train_demo import tensors

DEMO = Path(__file__).parents[2] / "models" / "demo"


@pytest.fixture(scope="module")
def digits() -> np.ndarray:
    return tensors(held_out_digits()[:8])


def test_the_last_layer_of_the_embedding_gives_the_networks_own_answer(digits: np.ndarray) -> None:
    bundle = read_bundle(Folder(DEMO))
    base = Base(bundle)
    embeddings = base.embed(list(digits))
    assert embeddings.shape == (8, base.length) == (8, 80)
    arrays = read_arrays(bundle.params)
    logits = embeddings @ arrays["arg:dense0_weight"].T + arrays["arg:dense0_bias"]
    powers = np.exp(logits)
    np.testing.assert_allclose(
        powers / powers.sum(axis=1, keepdims=True),
        Model.load(bundle).classify(list(digits)),
        atol=1e-5,
    )


def test_a_broken_graph_names_its_file() -> None:
    bundle = replace(read_bundle(Folder(DEMO)), symbol=b'{"nodes": "none"}')
    with pytest.raises(BundleError, match=r"-symbol\.json: not an MXNet symbol: "):
        Base(bundle)


def test_a_new_last_layer_makes_a_bundle_that_loads(digits: np.ndarray, tmp_path: Path) -> None:
    base = Base(read_bundle(Folder(DEMO)))
    random = np.random.default_rng(0)
    weight = random.normal(size=(3, base.length)).astype(np.float32)
    bias = random.normal(size=3).astype(np.float32)
    new = base.with_last_layer(
        weight, bias, name="three", labels=b"a\nb\nc\n", source="a test", description="a, b and c"
    )
    manifest = new.write(tmp_path / "to")
    assert manifest.description == "a, b and c"
    assert manifest.output.embedding == "flatten0_output"
    logits = base.embed(list(digits)) @ weight.T + bias
    best = Model.load(read_bundle(Folder(tmp_path / "to"))).classify(list(digits)).argmax(axis=1)
    assert best.tolist() == logits.argmax(axis=1).tolist()


def test_a_bundle_without_an_embedding_is_no_base(tmp_path: Path) -> None:
    import colors

    with pytest.raises(ToolError, match="colors: its manifest names no embedding"):
        Base(read_bundle(Folder(colors.write_bundle(tmp_path, output={"probabilities": False}))))


def test_a_last_layer_on_the_corners_of_the_feature_map(digits: np.ndarray, tmp_path: Path) -> None:
    base = Base(read_bundle(Folder(DEMO)))
    corners = base.embed_all(list(digits[:1]))["corners"]
    # The demo network's last feature map is 2 x 2: its corners are its pixels.
    assert corners.shape == (1, base.lengths["corners"]) == (1, 4 * 80)
    average = corners.reshape(80, 4).mean(axis=1)
    np.testing.assert_allclose(average, base.embed(list(digits[:1]))[0], atol=1e-5)
    random = np.random.default_rng(0)
    weight = random.normal(size=(3, 4 * 80)).astype(np.float32)
    new = base.with_last_layer(
        weight, np.zeros(3, np.float32), "corners", name="x", labels=b"a\nb\nc\n", source="a test"
    )
    manifest = new.write(tmp_path / "to")
    assert manifest.output.embedding == "flatten_corners_output"
    assert manifest.output.features == ""
    logits = corners @ weight.T
    powers = np.exp(logits - logits.max())
    np.testing.assert_allclose(
        Model.load(read_bundle(Folder(tmp_path / "to"))).classify(list(digits[:1])),
        powers / powers.sum(),
        atol=1e-5,
    )
