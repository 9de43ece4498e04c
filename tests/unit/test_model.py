"""Binding a bundle and running it; every mismatch is one error that names the file."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import colors
import numpy as np
import pytest

from classifier.errors import BundleError
from classifier.model.activation import sigmoid, softmax
from classifier.model.binding import bind
from classifier.model.bundle import Bundle, Folder, read_bundle
from classifier.model.layers import Sizes
from classifier.model.lean_mxnet import mx
from classifier.model.manifest import Output
from classifier.model.network import BATCH, Model


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return read_bundle(Folder(colors.write_bundle(tmp_path_factory.mktemp("bundle"))))


@pytest.fixture(scope="module")
def without_layers(bundle: Bundle) -> Bundle:
    """The bundle as those are whose manifest names no layers."""
    manifest = dataclasses.replace(bundle.manifest, output=Output(probabilities=False))
    return dataclasses.replace(bundle, manifest=manifest)


@pytest.fixture(scope="module", params=[1, 2], ids="{} threads".format)
def model(request: pytest.FixtureRequest, bundle: Bundle) -> Model:
    return Model.load(bundle, request.param)


def image(rgb: tuple[int, int, int]) -> np.ndarray:
    """The tensor of an image all of one colour."""
    plane = (np.array(rgb, np.float32) / 255 - 0.5) / 0.5
    return np.broadcast_to(plane[:, None, None], (3, 32, 32)).astype(np.float32)


@pytest.mark.parametrize("rgb", [(255, 0, 0), (0, 255, 0), (10, 20, 200), (128, 128, 128)])
def test_probabilities_equal_those_computed_by_hand(
    model: Model, rgb: tuple[int, int, int]
) -> None:
    probabilities = model.classify(image(rgb)[None])
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities[0], list(colors.expected(rgb).values()), atol=1e-6)


@pytest.mark.parametrize("counts", [(1, 2, 16, 2, 1), (5, 3, 1, 7)])
def test_batches_of_any_size_answer_as_single_images_do(
    model: Model, counts: tuple[int, ...]
) -> None:
    rng = np.random.default_rng(1)
    for count in counts:
        tensors = rng.standard_normal((count, 3, 32, 32), np.float32)
        singles = [model.classify(tensor[None])[0] for tensor in tensors]
        np.testing.assert_allclose(model.classify(tensors), singles, atol=1e-6)


@pytest.mark.parametrize(("threads", "sizes"), [(1, [1]), (2, [1, BATCH])])
def test_each_batch_size_is_bound_once(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, threads: int, sizes: list[int]
) -> None:
    bound = []

    def counted(symbol: Any, arrays: Any, data: str, shape: tuple[int, ...]) -> Any:
        bound.append(shape[0])
        return bind(symbol, arrays, data, shape)

    monkeypatch.setattr("classifier.model.network.bind", counted)
    model = Model.load(bundle, threads)
    assert bound == [1]
    for count in (1, 3, 16, 7, 4, 2, 5):
        assert model.classify(np.zeros((count, 3, 32, 32), np.float32)).shape == (count, 3)
    assert bound == sizes


def test_layers_are_bound_when_they_are_first_asked_for(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound = []

    def counted(symbol: Any, arrays: Any, data: str, shape: tuple[int, ...]) -> Any:
        bound.append((shape[0], len(symbol.list_outputs())))
        return bind(symbol, arrays, data, shape)

    monkeypatch.setattr("classifier.model.network.bind", counted)
    model = Model.load(bundle, threads=2)
    model.classify(np.zeros((5, 3, 32, 32), np.float32))
    assert bound == [(1, 1), (BATCH, 1)]
    for count in (1, 5, 1):
        model.classify_with_layers(np.zeros((count, 3, 32, 32), np.float32))
    assert bound == [(1, 1), (BATCH, 1), (1, 3), (BATCH, 3)]


def test_layers_are_those_computed_by_hand(model: Model) -> None:
    tensors = np.random.default_rng(2).standard_normal((5, 3, 32, 32), np.float32)
    outputs = model.classify_with_layers(tensors)
    np.testing.assert_allclose(outputs.probabilities, model.classify(tensors), atol=1e-6)
    assert outputs.embeddings is not None
    assert outputs.features is not None
    assert model.sizes == Sizes(classes=3, embedding=3, map=(4, 4), channels=3)
    np.testing.assert_allclose(outputs.embeddings, tensors.mean((2, 3)), atol=1e-6)
    cells = tensors.reshape(5, 3, 4, 8, 4, 8).mean((3, 5))
    np.testing.assert_allclose(outputs.features, cells, atol=1e-6)


def test_a_bundle_without_layers_loads_as_before(without_layers: Bundle) -> None:
    model = Model.load(without_layers)
    assert model.sizes == Sizes(classes=3)
    outputs = model.classify_with_layers(np.zeros((1, 3, 32, 32), np.float32))
    assert (outputs.embeddings, outputs.features) == (None, None)


@pytest.mark.parametrize("name", ["embedding", "features"])
def test_a_layer_that_the_graph_lacks_is_an_error(bundle: Bundle, name: str) -> None:
    output = dataclasses.replace(bundle.manifest.output, **{name: "nonsense_output"})
    changed = dataclasses.replace(bundle.manifest, output=output)
    said = r"^colors-symbol\.json: it has no output called 'nonsense_output'"
    with pytest.raises(BundleError, match=said):
        Model.load(dataclasses.replace(bundle, manifest=changed))


def test_answers_are_repeatable(model: Model) -> None:
    tensor = image((200, 100, 50))[None]
    first = model.classify(tensor)
    assert all(np.array_equal(model.classify(tensor), first) for _ in range(3))


def with_params(bundle: Bundle, folder: Path, **arrays: "mx.nd.NDArray") -> Bundle:
    mx.nd.save(str(folder / "p"), {name.replace("__", ":"): a for name, a in arrays.items()})
    return dataclasses.replace(bundle, params=(folder / "p").read_bytes())


@pytest.fixture(
    params=[
        ("no JSON", r"^colors-symbol\.json: not an MXNet symbol"),
        ("other JSON", r"^colors-symbol\.json: not an MXNet symbol"),
        ("not text", r"^colors-symbol\.json: not an MXNet symbol"),
        ("two outputs", r"^colors-symbol\.json: 2 outputs"),
        ("no such input", r"^colors-symbol\.json: it has no input called 'data'"),
        ("no such operator", r"^colors-symbol\.json: not an MXNet symbol.*nonsense"),
        ("one row for all", r"^colors-symbol\.json: its output is not one row"),
        ("a map", r"^colors-symbol\.json: its output is not one row"),
        ("no parameters", r"^colors-0000\.params: not MXNet parameters"),
        ("half of them", r"^colors-0000\.params: not MXNet parameters"),
        ("no names", r"^colors-0000\.params: its arrays have no names"),
        ("odd names", r"^colors-0000\.params: its arrays have no names"),
        ("one missing", r"^colors-0000\.params: the network needs 'fc_weight'"),
        ("two missing", r"^colors-0000\.params: the network needs 'fc_bias' and 1 more"),
        ("wrong shape", r"^colors-0000\.params: .*fc"),
        ("two labels", r"^synset\.txt: 2 labels for 3 outputs"),
    ],
    ids=lambda param: param[0],
)
def broken(
    request: pytest.FixtureRequest, without_layers: Bundle, tmp_path: Path
) -> Iterator[tuple[Bundle, str]]:
    what, said = request.param
    bundle = without_layers
    arrays = {"arg__fc_weight": mx.nd.array(colors.WEIGHTS), "arg__fc_bias": mx.nd.zeros(3)}
    data = mx.sym.Variable("data")
    symbols = {
        "no JSON": b"resnet",
        "other JSON": b"{}",
        "not text": b"\xff\xff",
        "two outputs": mx.sym.Group([data, data + 1]).tojson().encode(),
        "no such input": bundle.symbol.replace(b'"data"', b'"image"'),
        "no such operator": bundle.symbol.replace(b'"FullyConnected"', b'"nonsense"'),
        "one row for all": mx.sym.reshape(data, shape=(1, -1)).tojson().encode(),
        "a map": mx.sym.Activation(data, act_type="relu").tojson().encode(),
    }
    if what in symbols:
        yield dataclasses.replace(bundle, symbol=symbols[what]), said
    elif what == "no parameters":
        yield dataclasses.replace(bundle, params=b"nothing"), said
    elif what == "half of them":
        yield dataclasses.replace(bundle, params=bundle.params[:-5]), said
    elif what == "no names":
        mx.nd.save(str(tmp_path / "p"), list(arrays.values()))
        yield dataclasses.replace(bundle, params=(tmp_path / "p").read_bytes()), said
    elif what == "odd names":
        yield with_params(bundle, tmp_path, fc_weight=mx.nd.zeros(3)), said
    elif what == "one missing":
        yield with_params(bundle, tmp_path, arg__fc_bias=arrays["arg__fc_bias"]), said
    elif what == "two missing":
        yield with_params(bundle, tmp_path, arg__other=arrays["arg__fc_bias"]), said
    elif what == "wrong shape":
        arrays["arg__fc_weight"] = mx.nd.zeros((3, 4))
        yield with_params(bundle, tmp_path, **arrays), said
    else:
        yield dataclasses.replace(bundle, labels=bundle.labels[:2]), said


def test_inconsistent_bundle_is_one_error_that_names_the_file(
    broken: tuple[Bundle, str],
) -> None:
    bundle, said = broken
    with pytest.raises(BundleError, match=said) as caught:
        Model.load(bundle)
    assert "\n" not in str(caught.value)


def test_auxiliary_state_of_another_shape_is_an_error(bundle: Bundle, tmp_path: Path) -> None:
    data = mx.sym.Variable("data")
    normed = mx.sym.BatchNorm(data, name="bn", fix_gamma=False)
    mean = mx.sym.Flatten(mx.sym.mean(normed, axis=(2, 3)))
    symbol = mx.sym.SoftmaxOutput(mean, name="softmax").tojson().encode()
    changed = dataclasses.replace(
        bundle,
        symbol=symbol,
        manifest=dataclasses.replace(bundle.manifest, output=Output(probabilities=True)),
    )
    good = {
        "arg__bn_gamma": mx.nd.ones(3),
        "arg__bn_beta": mx.nd.zeros(3),
        "aux__bn_moving_mean": mx.nd.zeros(3),
        "aux__bn_moving_var": mx.nd.ones(3),
    }
    model = Model.load(with_params(changed, tmp_path, **good))
    answer = model.classify(np.zeros((1, 3, 32, 32), np.float32))
    np.testing.assert_allclose(answer, np.full((1, 3), 1 / 3), atol=1e-6)
    bad = good | {"aux__bn_moving_var": mx.nd.ones(4)}
    with pytest.raises(BundleError, match=r"^colors-0000\.params: 'bn_moving_var' is \(4,\)"):
        Model.load(with_params(changed, tmp_path, **bad))


def independent(rgb: tuple[int, int, int]) -> np.ndarray:
    """The probability of each name, computed by hand, where the classes are independent."""
    logits = colors.WEIGHTS @ ((np.array(rgb, np.float64) / 255 - 0.5) / 0.5)
    return 1 / (1 + np.exp(-logits))


def with_last_operator(bundle: Bundle, operator: str, output: Output, **attributes: Any) -> Bundle:
    """``bundle`` with one more operator at the end of its network."""
    last = getattr(mx.sym, operator)(mx.sym.load_json(bundle.symbol.decode()), **attributes)
    manifest = dataclasses.replace(bundle.manifest, output=output)
    return dataclasses.replace(bundle, symbol=last.tojson().encode(), manifest=manifest)


@pytest.mark.parametrize(
    ("operator", "attributes"),
    [
        ("identity", {}),
        ("sigmoid", {}),
        ("Activation", {"act_type": "sigmoid"}),
        ("LogisticRegressionOutput", {"name": "truth"}),
    ],
)
def test_independent_classes_have_probabilities_of_their_own(
    bundle: Bundle, operator: str, attributes: dict[str, str]
) -> None:
    output = Output(probabilities=operator != "identity", activation="sigmoid")
    model = Model.load(with_last_operator(bundle, operator, output, **attributes))
    for rgb in ((255, 255, 255), (0, 0, 0), (10, 20, 200)):
        probabilities = model.classify(image(rgb)[None])
        assert probabilities.dtype == np.float32
        np.testing.assert_allclose(probabilities[0], independent(rgb), atol=1e-6)


def test_activations_of_large_logits_are_finite() -> None:
    logits = np.array([[-200, -1, 0, 1, 200]], np.float32)
    np.testing.assert_allclose(sigmoid(logits), [[0, 0.26894143, 0.5, 0.7310586, 1]], atol=1e-7)
    np.testing.assert_allclose(softmax(logits), [[0, 0, 0, 0, 1]], atol=1e-7)
