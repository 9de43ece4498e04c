"""ONNX files that are broken or hostile are refused before anything of them is run."""

import re
from pathlib import Path

import numpy as np
import onnx
import onnx_models as models
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx_models import model, node, numbers

from tools.errors import ToolError
from tools.model.onnx import check, limits
from tools.model.onnx.check import read_model
from tools.model.onnx.image_input import fix_input
from tools.model.onnx.simplify import simplify


def network(**options) -> onnx.ModelProto:
    nodes = [
        node("Conv", "x", "w", to="c"),
        node("GlobalAveragePool", "c", to="y"),
    ]
    return model(*nodes, constants={"w": numbers(4, 3, 3, 3)}, **options)


def refusal(path: Path) -> str:
    with pytest.raises(ToolError) as caught:
        read_model(path)
    assert "\n" not in caught.value.message
    return caught.value.message


def written(exported: onnx.ModelProto, folder: Path) -> Path:
    path = folder / "network.onnx"
    path.write_bytes(exported.SerializeToString())
    return path


def test_a_good_file_is_read(tmp_path):
    assert read_model(written(network(), tmp_path)).graph.name == "graph"


@pytest.mark.parametrize("content", [b"", b"\x00", b"PK\x03\x04", b"not a network" * 99])
def test_what_is_no_onnx_file(content, tmp_path):
    (tmp_path / "network.onnx").write_bytes(content)
    assert "not an ONNX file" in refusal(tmp_path / "network.onnx")


@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.9, 0.99])
def test_truncated_file(fraction, tmp_path):
    content = network().SerializeToString()
    path = tmp_path / "network.onnx"
    path.write_bytes(content[: int(len(content) * fraction)])
    refusal(path)


def test_missing_file_and_folder(tmp_path):
    assert refusal(tmp_path / "absent.onnx") == "no such file"
    assert refusal(tmp_path) == "no such file"


def test_file_of_gigabytes_is_not_read(tmp_path):
    path = tmp_path / "network.onnx"
    with path.open("wb") as file:
        file.truncate(limits.MAX_FILE_BYTES + 1)
    assert "bytes; up to" in refusal(path)


def test_too_many_nodes(tmp_path):
    exported = network()
    exported.graph.node.extend([node("Relu", "y", to="z")] * limits.MAX_NODES)
    assert "more than 20,000 nodes" in refusal(written(exported, tmp_path))


def test_nodes_inside_nodes_count(tmp_path):
    inner = helper.make_graph([node("Relu", "y", to="z")] * limits.MAX_NODES, "inner", [], [])
    exported = network()
    exported.graph.node.append(node("If", "y", to="z", then_branch=inner, else_branch=inner))
    assert "more than 20,000 nodes" in refusal(written(exported, tmp_path))


def test_too_many_tensors(tmp_path):
    exported = network()
    tensor = numpy_helper.from_array(np.zeros(1, np.float32), "w")
    exported.graph.initializer.extend([tensor] * limits.MAX_TENSORS)
    assert "more than 40,000 tensors" in refusal(written(exported, tmp_path))


@pytest.mark.parametrize("dims", [(1 << 40, 1 << 40), (4, 3, 3, 4), (4, 3, 3), (-4, 3, 3, -3), ()])
@pytest.mark.parametrize("raw", [True, False])
def test_dimensions_that_do_not_fit_the_data(dims, raw, tmp_path):
    exported = network()
    tensor = exported.graph.initializer[0]
    if not raw:
        values = numpy_helper.to_array(tensor).reshape(-1).tolist()
        tensor.ClearField("raw_data")
        tensor.float_data.extend(values)
    del tensor.dims[:]
    tensor.dims.extend(dims)
    assert "tensor 'w'" in refusal(written(exported, tmp_path))


def test_dimensions_of_a_constant_node(tmp_path):
    exported = network()
    tensor = TensorProto(name="c", data_type=TensorProto.FLOAT, dims=[1 << 50], raw_data=b"1234")
    exported.graph.node.insert(0, node("Constant", to="c", value=tensor))
    assert "tensor 'c'" in refusal(written(exported, tmp_path))


@pytest.mark.parametrize("kind", [TensorProto.STRING, TensorProto.UNDEFINED, 99])
def test_tensor_that_holds_no_numbers(kind, tmp_path):
    exported = network()
    exported.graph.initializer[0].data_type = kind
    assert "tensor 'w' holds no numbers" in refusal(written(exported, tmp_path))


def test_circle(tmp_path):
    exported = model(node("Add", "x", "b", to="a"), node("Relu", "a", to="b"), node("Relu", "b"))
    message = refusal(written(exported, tmp_path))
    assert "node Add 'Add/a' needs 'b', which no node before it gives" in message


def test_value_that_is_given_twice(tmp_path):
    exported = model(node("Relu", "x"), node("Sigmoid", "x"))
    assert "gives 'y', which is taken" in refusal(written(exported, tmp_path))


def test_output_that_no_node_gives(tmp_path):
    exported = network()
    exported.graph.output[0].name = "nothing"
    assert "output 'nothing' is given by no node" in refusal(written(exported, tmp_path))


def test_attributes_that_an_operator_has_not(tmp_path):
    exported = model(node("Relu", "x", surprise=3))
    message = refusal(written(exported, tmp_path))
    assert "not a valid ONNX model" in message
    assert "surprise" in message


@pytest.mark.parametrize("opset", [7, 8, 9999])
def test_opset(opset, tmp_path):
    assert f"opset {opset}: export with an opset from 9" in refusal(
        written(network(opset=opset), tmp_path)
    )


def test_operators_of_its_own(tmp_path):
    exported = network()
    imports = [helper.make_opsetid("", 17)]
    function = helper.make_function(
        "own", "Own", ["a"], ["b"], [node("Relu", "a", to="b")], imports
    )
    exported.functions.append(function)
    assert "it defines operators of its own" in refusal(written(exported, tmp_path))


def test_sparse_tensors(tmp_path):
    exported = network()
    exported.graph.sparse_initializer.add().dims.extend([1 << 40])
    assert "sparse tensors" in refusal(written(exported, tmp_path))


def outside(exported: onnx.ModelProto, location: str, **fields: int) -> onnx.ModelProto:
    """``exported`` with its weights in another file."""
    tensor = exported.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **fields}.items():
        tensor.external_data.add(key=key, value=str(value))
    return exported


def test_external_data(tmp_path):
    weights = numbers(4, 3, 3, 3)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "weights.bin").write_bytes(b"1234" + weights.tobytes() + b"rest")
    fields = {"offset": 4, "length": weights.nbytes}
    exported = outside(network(), "data/weights.bin", **fields)
    tensor = read_model(written(exported, tmp_path)).graph.initializer[0]
    np.testing.assert_array_equal(numpy_helper.to_array(tensor), weights)


@pytest.mark.parametrize(
    "location", ["/etc/passwd", "../secret", "data/../../secret", "", ".", "link", "a\0b"]
)
def test_external_data_outside_the_folder(location, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(bytes(432))
    (folder / "link").symlink_to(tmp_path / "secret")
    message = refusal(written(outside(network(), location), folder))
    assert "outside its folder" in message or "not there" in message


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "does not fit the data"),
        ({"length": 433}, "is cut off"),
        ({"offset": -1, "length": 432}, "is cut off"),
        ({"offset": 1 << 60}, "is cut off"),
        ({"length": -7}, "does not fit the data"),
        ({"offset": "x"}, "is no number"),
    ],
)
def test_external_data_that_is_not_all_there(fields, message, tmp_path):
    (tmp_path / "weights.bin").write_bytes(bytes(400))
    assert message in refusal(written(outside(network(), "weights.bin", **fields), tmp_path))


def test_external_data_counts_towards_the_size(tmp_path, monkeypatch):
    (tmp_path / "weights.bin").write_bytes(bytes(432))
    path = written(outside(network(), "weights.bin"), tmp_path)
    monkeypatch.setattr(check, "MAX_FILE_BYTES", path.stat().st_size + 431)
    assert "takes more than is imported" in refusal(path)


def test_external_data_that_is_no_file(tmp_path):
    (tmp_path / "weights.bin").mkdir()
    assert "not there" in refusal(written(outside(network(), "weights.bin"), tmp_path))


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((1, 1, 8, 8), "it has 1 channels"),
        ((1, 3, 8, 9), "it takes images of 9 x 8; only squares are imported"),
        ((1, 3, 8), "its input should have four axes"),
        ((65, 3, 8, 8), "it takes 65 images at once; export it for one"),
        ((1, 3, 16, 16), "it takes images of 16 x 16; leave --size out, or export it for 8"),
    ],
)
def test_input_that_is_no_image(shape, message):
    exported = model(node("Relu", "x"), shape=shape)
    with pytest.raises(ToolError, match=re.escape(message)):
        fix_input(exported, 8)


def test_input_of_bytes():
    exported = model(node("Relu", "x"))
    exported.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    with pytest.raises(ToolError, match="its input is uint8; export a network"):
        fix_input(exported, None)


def test_two_inputs():
    exported = model(node("Relu", "x"))
    exported.graph.input.add().CopyFrom(exported.graph.input[0])
    exported.graph.input[1].name = "mask"
    with pytest.raises(ToolError, match="one input, the image; it has 'x', 'mask'"):
        fix_input(exported, None)


def test_two_outputs():
    exported = model(node("Relu", "x"))
    exported.graph.output.add().CopyFrom(exported.graph.output[0])
    with pytest.raises(ToolError, match="one output, the classes; it has"):
        fix_input(exported, None)


def test_constants_among_the_inputs():
    """As files of IR version 3 have them."""
    exported = network(opset=9)
    exported.ir_version = 3
    value = helper.make_tensor_value_info("w", TensorProto.FLOAT, [4, 3, 3, 3])
    exported.graph.input.append(value)
    models.compare(exported)


@pytest.mark.parametrize(
    ("shape", "size", "expected"),
    [
        (("n", 3, "h", "w"), None, (1, 224, False, True)),
        (("n", 3, "h", "w"), 96, (1, 96, False, True)),
        ((2, "h", "w", 3), None, (2, 224, True, True)),
        ((1, 3, 8, "w"), None, (1, 8, False, False)),
    ],
)
def test_open_dimensions(shape, size, expected):
    image = fix_input(model(node("Relu", "x"), shape=shape), size)
    assert (image.batch, image.size, image.channels_last, image.open_size) == expected


@pytest.mark.parametrize("weight", [(4, 3, 99, 99), (4,)])
def test_weights_of_the_wrong_shape(weight):
    exported = model(node("Conv", "x", "w"), constants={"w": numbers(*weight)})
    fix_input(exported, None)
    with pytest.raises(ToolError, match="shapes do not fit together"):
        simplify(exported)


@pytest.mark.parametrize(
    ("weight", "group"), [((4, 5, 3, 3), 1), ((4, 1, 3, 3), 3), ((4, 3, 3, 3), 0)]
)
def test_weights_for_another_number_of_channels(weight, group):
    exported = model(node("Conv", "x", "w", group=group), constants={"w": numbers(*weight)})
    with pytest.raises(ToolError, match=r"its weights do not fit its input|shapes do not fit"):
        models.imported(exported)


def test_bias_for_another_number_of_channels():
    constants = {"w": numbers(4, 3, 3, 3), "b": numbers(5)}
    with pytest.raises(ToolError, match="its bias does not fit its weights"):
        models.imported(model(node("Conv", "x", "w", "b"), constants=constants))
