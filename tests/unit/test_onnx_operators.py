"""Every ONNX operator that is imported answers as it does in ONNX Runtime."""

import json

import numpy as np
import onnx_models as models
import pytest
from onnx import TensorProto, helper
from onnx_models import SIZE, compare, model, node, numbers

from tools.errors import ToolError

HALF = np.array(0.5, np.float32)


def int64(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


CONVOLUTIONS = {
    "plain": ((4, 3, 3, 3), {"pads": [1, 1, 1, 1]}),
    "strided": ((4, 3, 3, 3), {"strides": [2, 2], "pads": [1, 1, 1, 1]}),
    "grouped": ((6, 1, 3, 3), {"group": 3}),
    "dilated": ((4, 3, 3, 3), {"dilations": [2, 2], "pads": [2, 2, 2, 2]}),
    "long": ((4, 3, 1, 5), {"pads": [0, 2, 0, 2]}),
    "more padding at the end": ((4, 3, 3, 3), {"strides": [2, 2], "pads": [0, 0, 1, 1]}),
    "more padding at the beginning": ((4, 3, 3, 3), {"strides": [2, 2], "pads": [2, 1, 0, 1]}),
    "two more pixels": ((4, 3, 3, 3), {"pads": [0, 1, 2, 1]}),
    "dilated, padded at the end": ((4, 3, 3, 3), {"dilations": [2, 2], "pads": [0, 0, 2, 2]}),
    "SAME_UPPER": ((4, 3, 3, 3), {"strides": [2, 2], "auto_pad": "SAME_UPPER"}),
    "SAME_LOWER": ((4, 3, 4, 4), {"strides": [2, 2], "auto_pad": "SAME_LOWER"}),
    "VALID": ((4, 3, 3, 3), {"auto_pad": "VALID"}),
}


@pytest.mark.parametrize(("shape", "attributes"), CONVOLUTIONS.values(), ids=CONVOLUTIONS)
def test_convolution(shape, attributes):
    constants = {"w": numbers(*shape), "b": numbers(shape[0], seed=2)}
    _, network = compare(model(node("Conv", "x", "w", "b", **attributes), constants=constants))
    assert "Pad" not in used(network)
    del constants["b"]
    compare(model(node("Conv", "x", "w", **attributes), constants=constants))


def used(network: models.Network) -> list[str]:
    return [each["op"] for each in json.loads(network.symbol.tojson())["nodes"]]


def test_convolution_over_a_line():
    compare(
        model(
            node("Reshape", "x", "shape", to="line"),
            node("Conv", "line", "w", pads=[1, 1]),
            constants={"shape": int64(0, 3, 64), "w": numbers(4, 3, 3)},
        )
    )


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect"])
def test_padding_before_a_convolution(mode):
    pads = int64(0, 0, 1, 0, 0, 0, 2, 1)
    nodes = node("Pad", "x", "pads", to="padded", mode=mode), node("Conv", "padded", "w")
    constants = {"pads": pads, "w": numbers(4, 3, 3, 3)}
    _, network = compare(model(*nodes, constants=constants))
    assert ("Pad" in used(network)) == (mode != "constant")


def test_channels_padded_with_zeros():
    constants = {"pads": int64(0, 1, 0, 0, 0, 2, 0, 0)}
    compare(model(node("Pad", "x", "pads"), constants=constants))


FUNCTIONS = {
    "Abs": {},
    "Elu": {"alpha": 0.7},
    "Erf": {},
    "Exp": {},
    "HardSigmoid": {"alpha": 0.3, "beta": 0.4},
    "HardSwish": {},
    "LeakyRelu": {"alpha": 0.2},
    "Neg": {},
    "Relu": {},
    "Selu": {},
    "Sigmoid": {},
    "Softplus": {},
    "Softsign": {},
    "Tanh": {},
}


@pytest.mark.parametrize(("operator", "attributes"), FUNCTIONS.items(), ids=FUNCTIONS)
def test_function_of_one_value(operator, attributes):
    compare(model(node(operator, "x", **attributes)))


@pytest.mark.parametrize("operator", ["Log", "Sqrt", "Reciprocal"])
def test_function_of_positive_values(operator):
    compare(model(node("Exp", "x", to="positive"), node(operator, "positive")))


@pytest.mark.parametrize("operator", ["Mish", "Gelu"])
def test_function_of_new_opsets(operator):
    compare(model(node(operator, "x"), opset=20))


@pytest.mark.parametrize("bounds", [(-0.5, 0.7), (0, 6), (None, 0.3), (0, None)])
def test_clip(bounds):
    named = zip(("min", "max"), bounds, strict=True)
    constants = {name: np.float32(bound) for name, bound in named if bound is not None}
    inputs = [name if name in constants else "" for name in ("min", "max")]
    compare(model(node("Clip", "x", *inputs), constants=constants))
    old = {name: float(bound) for name, bound in constants.items()}
    compare(model(node("Clip", "x", **old), opset=9))


@pytest.mark.parametrize("shape", [(1,), (3, 1, 1)])
def test_p_relu(shape):
    compare(model(node("PRelu", "x", "slope"), constants={"slope": numbers(*shape)}))


@pytest.mark.parametrize("operator", ["Add", "Sub", "Mul", "Div", "Max", "Min"])
@pytest.mark.parametrize("shape", [(), (1,), (3, 1, 1), (1, 3, 1, 1), (SIZE,), (1, 3, SIZE, SIZE)])
@pytest.mark.parametrize("reverse", [False, True])
def test_arithmetic_with_a_constant(operator, shape, reverse):
    constant = np.asarray(numbers(*shape), np.float32)
    nodes = [node("Exp", "x", to="e"), node(operator, *(("c", "e") if reverse else ("e", "c")))]
    compare(model(*nodes, constants={"c": constant}), atol=1e-4)


@pytest.mark.parametrize("operator", ["Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Sum"])
def test_arithmetic_with_two_values(operator):
    same = [node("Exp", "x", to="a"), node("Sigmoid", "x", to="b"), node(operator, "a", "b")]
    compare(model(*same), atol=1e-4)
    smaller = [same[0], node("GlobalAveragePool", "a", to="b"), node(operator, "a", "b")]
    compare(model(*smaller), atol=1e-4)


def test_sum_of_three():
    compare(model(node("Relu", "x", to="a"), node("Sum", "x", "a", "x")))


@pytest.mark.parametrize("power", [2.0, 0.5])
def test_power(power):
    nodes = node("Exp", "x", to="e"), node("Pow", "e", "p")
    compare(model(*nodes, constants={"p": np.float32(power)}), atol=1e-4)


POOLS = {
    "plain": {"kernel_shape": [2, 2], "strides": [2, 2]},
    "padded": {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]},
    "not at the end": {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 0, 0]},
    "at the end": {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [0, 0, 1, 1]},
    "ceil": {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1},
    "SAME": {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"},
    "whole": {"kernel_shape": [SIZE, SIZE]},
    "long": {"kernel_shape": [1, 3], "pads": [0, 1, 0, 1]},
}


@pytest.mark.parametrize("attributes", POOLS.values(), ids=POOLS)
def test_max_pool(attributes):
    compare(model(node("MaxPool", "x", **attributes), opset=12))


@pytest.mark.parametrize("include", [0, 1])
@pytest.mark.parametrize("attributes", POOLS.values(), ids=POOLS)
def test_average_pool(attributes, include):
    attributes = attributes | {"count_include_pad": include}
    compare(model(node("AveragePool", "x", **attributes), opset=19))


@pytest.mark.parametrize("operator", ["GlobalAveragePool", "GlobalMaxPool"])
def test_global_pool(operator):
    compare(model(node(operator, "x")))


@pytest.mark.parametrize("operator", ["ReduceMean", "ReduceMax", "ReduceSum"])
@pytest.mark.parametrize("axes", [(2, 3), (-1, -2), (1,), (-1,), (1, 2, 3)])
@pytest.mark.parametrize("keepdims", [0, 1])
def test_reduction(operator, axes, keepdims):
    constants = {"axes": int64(*axes)}
    compare(
        model(node(operator, "x", "axes", keepdims=keepdims), constants=constants, opset=18),
        atol=1e-4,
    )


def test_batch_norm():
    members = {
        name: np.abs(numbers(3, seed=seed)) + 0.1
        for seed, name in enumerate(("scale", "bias", "mean", "variance"))
    }
    norm = node("BatchNormalization", "r", *members, epsilon=1e-3)
    _, network = compare(model(node("Relu", "x", to="r"), norm, constants=members))
    assert "BatchNorm" in used(network)


@pytest.mark.parametrize("bias", [True, False])
def test_layer_norm_of_channels(bias):
    """ConvNeXt's: the two transpositions vanish."""
    constants = {"scale": numbers(3), "bias": numbers(3, seed=2)}
    names = ("scale", "bias") if bias else ("scale",)
    nodes = [
        node("Transpose", "x", to="last", perm=[0, 2, 3, 1]),
        node("LayerNormalization", "last", *names, to="normed", epsilon=1e-6),
        node("Transpose", "normed", perm=[0, 3, 1, 2]),
    ]
    compare(model(*nodes, constants={name: constants[name] for name in names}))


def test_layer_norm_in_pieces():
    """As opsets before 17 have it."""
    constants = {"two": np.float32(2), "eps": np.float32(1e-6)}
    constants |= {"gamma": numbers(SIZE), "beta": numbers(SIZE, seed=2)}
    nodes = [
        node("ReduceMean", "x", to="mean", axes=[-1]),
        node("Sub", "x", "mean", to="centred"),
        node("Pow", "centred", "two", to="square"),
        node("ReduceMean", "square", to="variance", axes=[-1]),
        node("Add", "variance", "eps", to="more"),
        node("Sqrt", "more", to="deviation"),
        node("Div", "centred", "deviation", to="normed"),
        node("Mul", "normed", "gamma", to="scaled"),
        node("Add", "scaled", "beta"),
    ]
    graph, _ = compare(model(*nodes, constants=constants, opset=13))
    assert models.operators(graph) == ["LayerNormalization", "Flatten"]


def test_instance_norm():
    constants = {"scale": numbers(3), "bias": numbers(3, seed=2)}
    compare(model(node("InstanceNormalization", "x", *constants), constants=constants))


def test_local_response_norm():
    compare(model(node("LRN", "x", size=3, alpha=0.1, beta=0.6, bias=1.5)))


@pytest.mark.parametrize(
    "attributes", [{}, {"transB": 1}, {"transB": 1, "alpha": 2.0, "beta": 3.0}]
)
@pytest.mark.parametrize("bias", [(5,), (1, 5), (1,), None])
def test_gemm(attributes, bias):
    weight = numbers(192, 5) / 10
    constants = {"w": weight.T.copy() if attributes else weight}
    if bias:
        constants["b"] = numbers(*bias)
    nodes = node("Flatten", "x", to="flat"), node("Gemm", "flat", *constants, **attributes)
    compare(model(*nodes, constants=constants))


def test_fully_connected_layer_of_two_nodes():
    constants = {"w": numbers(192, 5) / 10, "b": numbers(5)}
    nodes = [
        node("Flatten", "x", to="flat"),
        node("MatMul", "flat", "w", to="product"),
        node("Add", "b", "product"),
    ]
    graph, _ = compare(model(*nodes, constants=constants))
    assert models.operators(graph).count("Linear") == 1


@pytest.mark.parametrize("turned", [True, False])
def test_fully_connected_layer_on_pixels(turned):
    """Of a value with channels first in memory it becomes a convolution; a factor goes into it."""
    channels = 3 if turned else SIZE
    constants = {"w": numbers(channels, 5), "b": numbers(5), "scale": numbers(5, seed=3)}
    nodes = [
        node("Transpose", "x", to="last", perm=[0, 2, 3, 1]),
        node("MatMul", "last" if turned else "x", "w", to="product"),
        node("Add", "product", "b", to="sum"),
        node("Mul", "scale", "sum"),
    ]
    graph, network = compare(model(*nodes[not turned :], constants=constants))
    assert ("Convolution" in used(network)) == turned
    assert "Mul" not in models.operators(graph)


def test_product_of_two_values():
    nodes = node("Transpose", "x", to="t", perm=[0, 1, 3, 2]), node("MatMul", "x", "t")
    compare(model(*nodes), atol=1e-4)


@pytest.mark.parametrize("operator", ["Softmax", "LogSoftmax"])
@pytest.mark.parametrize(("opset", "axis"), [(11, 1), (13, 1), (13, -1)])
def test_softmax(operator, opset, axis):
    nodes = node("Flatten", "x", to="flat"), node(operator, "flat", axis=axis)
    compare(model(*nodes, opset=opset))


def test_softmax_over_channels():
    compare(model(node("Softmax", "x", axis=1)))


SHAPES = {
    "a fixed batch": (1, 48, 4),
    "a batch and the rest": (1, -1),
    "what is there": (0, 0, -1),
    "halves": (1, 3, 2, 32),
    "images with channels": (3, SIZE, SIZE),
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_reshape_for_one_image_holds_for_several(shape):
    nodes = [node("Reshape", "x", "shape", to="other"), node("Relu", "other", to="r")]
    back = [node("Reshape", "r", "back")]
    constants = {"shape": int64(*shape), "back": int64(1, 3, SIZE, SIZE)}
    compare(model(*nodes, *back, constants=constants))


def test_channel_shuffle():
    constants = {"apart": int64(1, 2, 2, SIZE, SIZE), "back": int64(1, 4, SIZE, SIZE)}
    nodes = [
        node("Concat", "x", "one", to="four", axis=1),
        node("Reshape", "four", "apart", to="a"),
        node("Transpose", "a", to="b", perm=[0, 2, 1, 3, 4]),
        node("Reshape", "b", "back"),
    ]
    first = node("Slice", "x", "starts", "ends", "axes", to="one")
    constants |= {"starts": int64(0), "ends": int64(1), "axes": int64(1)}
    compare(model(first, *nodes, constants=constants))


def test_channel_shuffle_that_moves_the_images_axis():
    """The first ShuffleNetV2's: halves of all images, then images of each half."""
    constants = {"pairs": int64(4, 2, 64), "halves": int64(2, -1, 4, SIZE, SIZE)}
    constants |= {"w": numbers(8, 3, 1, 1), "zero": np.int64(0), "one": np.int64(1)}
    nodes = [
        node("Conv", "x", "w", to="eight"),
        node("Reshape", "eight", "pairs", to="a"),
        node("Transpose", "a", to="b", perm=[1, 0, 2]),
        node("Reshape", "b", "halves", to="c"),
        node("Gather", "c", "zero", to="left", axis=0),
        node("Gather", "c", "one", to="right", axis=0),
        node("Sub", "left", "right"),
    ]
    compare(model(*nodes, constants=constants))


@pytest.mark.parametrize("perm", [[0, 2, 3, 1], [0, 3, 2, 1], [0, 1, 3, 2]])
def test_transpose(perm):
    compare(model(node("Transpose", "x", perm=perm)))


def test_squeeze_and_unsqueeze():
    constants = {"spatial": int64(2, 3), "last": int64(-1)}
    nodes = [
        node("GlobalAveragePool", "x", to="pooled"),
        node("Squeeze", "pooled", "spatial", to="row"),
        node("Unsqueeze", "row", "last", to="column"),
        node("Relu", "column"),
    ]
    compare(model(*nodes, constants=constants))


def test_concat_of_values_with_different_orders_of_axes():
    nodes = [
        node("Transpose", "x", to="t", perm=[0, 1, 3, 2]),
        node("Relu", "x", to="r"),
        node("Concat", "t", "r", axis=1),
    ]
    compare(model(*nodes))


def test_split():
    constants = {"sizes": int64(2, 1)}
    nodes = node("Split", "x", "sizes", to="a b", axis=1), node("Mul", "a", "b")
    compare(model(*nodes, constants=constants))


@pytest.mark.parametrize(
    ("starts", "ends", "axes", "steps"),
    [
        ((1,), (3,), (1,), (1,)),
        ((-2,), (2**62,), (1,), (1,)),
        ((0, 1), (SIZE, SIZE), (2, 3), (2, 2)),
        ((0, 0), (1, 2), (0, 1), (1, 1)),
    ],
)
def test_slice(starts, ends, axes, steps):
    values = {"starts": starts, "ends": ends, "axes": axes, "steps": steps}
    constants = {name: int64(*value) for name, value in values.items()}
    compare(model(node("Slice", "x", *constants), constants=constants))


@pytest.mark.parametrize("indices", [np.int64(-1), int64(2, 0, 1)])
def test_gather(indices):
    compare(model(node("Gather", "x", "indices", axis=1), constants={"indices": indices}))


def test_gather_of_everything_is_a_reshape():
    """PyTorch's newer exporter writes so what it calls as_strided."""
    constants = {"flat": int64(-1), "all": np.arange(192).reshape(1, 3, 64)}
    nodes = node("Reshape", "x", "flat", to="row"), node("Gather", "row", "all", axis=0)
    compare(model(*nodes, constants=constants))


@pytest.mark.parametrize(
    "attributes",
    [
        {
            "mode": "nearest",
            "coordinate_transformation_mode": "asymmetric",
            "nearest_mode": "floor",
        },
        {"mode": "linear", "coordinate_transformation_mode": "align_corners"},
        {"mode": "linear", "coordinate_transformation_mode": "half_pixel"},
    ],
    ids=["nearest", "corners", "half pixel"],
)
def test_resize(attributes):
    constants = {"sizes": int64(1, 3, 2 * SIZE, 2 * SIZE)}
    compare(model(node("Resize", "x", "", "", "sizes", **attributes), constants=constants))


def test_what_changes_nothing():
    nodes = [
        node("Identity", "x", to="a"),
        node("Dropout", "a", to="b"),
        helper.make_node("Cast", ["b"], ["c"], to=TensorProto.FLOAT),
        node("Relu", "c"),
    ]
    compare(model(*nodes))


GATES = {
    "gelu": (
        [
            node("Div", "x", "root", to="d"),
            node("Erf", "d", to="e"),
            node("Add", "e", "one", to="a"),
            node("Mul", "x", "a", to="m"),
            node("Mul", "m", "half"),
        ],
        "Gelu",
    ),
    "gelu, halved first": (
        [
            node("Mul", "x", "half", to="h"),
            node("Div", "x", "root", to="d"),
            node("Erf", "d", to="e"),
            node("Add", "one", "e", to="a"),
            node("Mul", "h", "a"),
        ],
        "Gelu",
    ),
    "hard swish": (
        [
            node("Add", "x", "three", to="a"),
            node("Clip", "a", "zero", "six", to="c"),
            node("Mul", "x", "c", to="m"),
            node("Div", "m", "six"),
        ],
        "HardSwish",
    ),
    "hard sigmoid": (
        [
            node("Add", "x", "three", to="a"),
            node("Clip", "a", "zero", "six", to="c"),
            node("Div", "c", "six"),
        ],
        "HardSigmoid",
    ),
    "swish": ([node("Sigmoid", "x", to="s"), node("Mul", "x", "s")], "Swish"),
    "mish": (
        [node("Softplus", "x", to="s"), node("Tanh", "s", to="t"), node("Mul", "x", "t")],
        "Mish",
    ),
    "not gelu: another factor": (
        [
            node("Div", "x", "six", to="d"),
            node("Erf", "d", to="e"),
            node("Add", "e", "one", to="a"),
            node("Mul", "x", "a", to="m"),
            node("Mul", "m", "half"),
        ],
        "Erf",
    ),
    "not swish: the gate of another value": (
        [node("Relu", "x", to="r"), node("Sigmoid", "r", to="s"), node("Mul", "x", "s")],
        "Sigmoid",
    ),
}


@pytest.mark.parametrize(("nodes", "whole"), GATES.values(), ids=GATES)
def test_gate(nodes, whole):
    values = {"root": 2**0.5, "one": 1, "half": 0.5, "three": 3, "zero": 0, "six": 6}
    constants = {name: np.float32(value) for name, value in values.items()}
    names = {name for each in nodes for name in each.input}
    constants = {name: value for name, value in constants.items() if name in names}
    graph, _ = compare(model(*nodes, constants=constants))
    assert whole in models.operators(graph)


def test_channels_last():
    """As Keras exports: transpositions, padding and a batch norm in pieces about a convolution."""
    constants = {
        "pads": int64(0, 0, 0, 0, 0, 1, 1, 0),
        "w": numbers(4, 3, 3, 3),
        "mean": numbers(4, seed=2),
        "scale": numbers(4, seed=3),
        "offset": numbers(4, seed=4),
        "v": numbers(4, 5),
        "axes": int64(1, 2),
    }
    nodes = [
        node("Pad", "x", "pads", to="padded"),
        node("Transpose", "padded", to="first", perm=[0, 3, 1, 2]),
        node("Conv", "first", "w", to="convolved", strides=[2, 2]),
        node("Transpose", "convolved", to="last", perm=[0, 2, 3, 1]),
        node("Sub", "last", "mean", to="centred"),
        node("Mul", "centred", "scale", to="scaled"),
        node("Add", "scaled", "offset", to="normed"),
        node("Relu", "normed", to="rectified"),
        node("ReduceMean", "rectified", "axes", to="pooled", keepdims=0),
        node("MatMul", "pooled", "v"),
    ]
    exported = model(*nodes, constants=constants, shape=("n", SIZE, SIZE, 3), opset=18)
    graph, network = compare(exported)
    assert models.operators(graph).count("Affine") == 1
    assert not {"transpose", "Pad", "pad"} & set(used(network))


@pytest.mark.parametrize("batch", [1, 2, "images"])
def test_batch_of_the_export(batch):
    constants = {"w": numbers(48, 5)}
    nodes = [
        node("MaxPool", "x", to="p", kernel_shape=[2, 2], strides=[2, 2]),
        node("Reshape", "p", "shape", to="f"),
        node("MatMul", "f", "w"),
    ]
    constants["shape"] = int64(-1 if batch == "images" else batch, 48)
    compare(model(*nodes, constants=constants, shape=(batch, 3, SIZE, SIZE), flatten=False))


@pytest.mark.parametrize("opset", [9, 11, 13, 17, 21])
def test_opsets(opset):
    constants = {"w": numbers(4, 3, 3, 3), "v": numbers(4, 5)}
    nodes = [
        node("Conv", "x", "w", to="c"),
        node("GlobalAveragePool", "c", to="p"),
        node("Flatten", "p", to="f"),
        node("Gemm", "f", "v", "v0"),
    ]
    constants["v0"] = numbers(5)
    compare(model(*nodes, constants=constants, opset=opset, flatten=False))


REFUSED = {
    "ConvTranspose": ([node("ConvTranspose", "x", "w")], "no such operator is imported"),
    "TopK": ([node("TopK", "x", "k", to="y i")], "the function sorts the classes"),
    "tanh gelu": ([node("Gelu", "x", approximate="tanh")], "train with the exact GELU"),
    "places of maxima": (
        [node("MaxPool", "x", to="y i", kernel_shape=[2, 2])],
        "it also gives the places of the maxima",
    ),
    "dilated pool": (
        [node("MaxPool", "x", kernel_shape=[2, 2], dilations=[2, 2])],
        "it is dilated",
    ),
    "over images": ([node("ReduceMean", "x", "axis0")], "it runs over the images of a batch"),
    "softmax of images": ([node("Softmax", "x", axis=0)], "its axis is that of the images"),
    "backwards": ([node("Slice", "x", "k", "end", "axis1", "back")], "it counts backwards"),
}


@pytest.mark.parametrize(("nodes", "message"), REFUSED.values(), ids=REFUSED)
def test_use_that_is_not_imported(nodes, message):
    constants = {"w": numbers(3, 4, 3, 3), "k": int64(2), "axis0": int64(0), "axis1": int64(1)}
    constants |= {"end": int64(-(2**62)), "back": int64(-1)}
    names = {name for each in nodes for name in each.input}
    constants = {name: value for name, value in constants.items() if name in names}
    with pytest.raises(ToolError, match=message) as caught:
        models.imported(model(*nodes, constants=constants, opset=20))
    assert f"{nodes[0].op_type} '{nodes[0].name}'" in str(caught.value)


def test_every_problem_is_listed_at_once():
    nodes = [
        node("ConvTranspose", "x", "w", to="a"),
        node("Gelu", "a", to="b", approximate="tanh"),
        node("Sin", "b"),
    ]
    with pytest.raises(ToolError) as caught:
        models.imported(model(*nodes, constants={"w": numbers(3, 4, 3, 3)}, opset=20))
    message = str(caught.value)
    assert message.startswith("3 nodes cannot be imported: ")
    assert all(f"{each.op_type} '{each.name}'" in message for each in nodes)


@pytest.mark.parametrize(
    ("inner", "expected"), [(5, 16), (18, 32), (8, 8), (16, 16)], ids=["5", "18", "8", "16"]
)
def test_channels_that_are_slow_are_filled_up(inner, expected):
    constants = {
        "a": numbers(inner, 3, 1, 1),
        "a0": numbers(inner),
        "d": numbers(inner, 1, 3, 3),
        "d0": numbers(inner, seed=2),
        "b": numbers(7, inner, 1, 1),
    }
    nodes = [
        node("Conv", "x", "a", "a0", to="p"),
        node("HardSwish", "p", to="q"),
        node("Conv", "q", "d", "d0", to="r", group=inner, pads=[1, 1, 1, 1]),
        node("Conv", "r", "b", to="y"),
    ]
    _, network = compare(model(*nodes, constants=constants), atol=1e-4)
    shapes = {array.shape for array in network.parameters.values()}
    assert {(expected, 3, 1, 1), (expected, 1, 3, 3), (7, expected, 1, 1)} <= shapes


def test_channels_that_are_used_elsewhere_stay():
    constants = {"a": numbers(5, 3, 1, 1), "b": numbers(7, 5, 1, 1)}
    nodes = [
        node("Conv", "x", "a", to="p"),
        node("Conv", "p", "b", to="q"),
        node("Concat", "p", "q", axis=1),
    ]
    _, network = compare(model(*nodes, constants=constants), atol=1e-4)
    assert (5, 3, 1, 1) in {array.shape for array in network.parameters.values()}


def test_channels_of_several_convolutions_are_filled_up():
    constants = {"a": numbers(5, 3, 1, 1), "b": numbers(9, 5, 3, 3) / 3, "c": numbers(7, 9, 1, 1)}
    nodes = [
        node("Conv", "x", "a", to="p"),
        node("Conv", "p", "b", to="q"),
        node("Relu", "q", to="r"),
        node("Conv", "r", "c"),
    ]
    _, network = compare(model(*nodes, constants=constants), atol=1e-4)
    shapes = {array.shape for array in network.parameters.values()}
    assert shapes == {(16, 3, 1, 1), (16, 16, 3, 3), (7, 16, 1, 1)}


def test_nodes_that_nothing_needs_are_left_out():
    nodes = node("Relu", "x"), node("Sin", "x", to="unused")
    compare(model(*nodes))


def test_features_are_no_classes():
    with pytest.raises(ToolError, match="its output is 1 x 3 x 8 x 8; it should be one row"):
        models.imported(model(node("Relu", "x"), flatten=False))


@pytest.mark.parametrize(
    ("operator", "activation"), [("Softmax", "softmax"), ("Sigmoid", "sigmoid"), ("Relu", "")]
)
def test_the_activation_at_the_end(operator, activation):
    nodes = node("GlobalAveragePool", "x", to="p"), node("Flatten", "p", to="f")
    _, network = compare(model(*nodes, node(operator, "f")))
    assert network.activation == activation


def test_types_of_values_that_are_not_float32():
    node_ = helper.make_node("Cast", ["x"], ["i"], to=TensorProto.INT32, name="the Cast")
    back = helper.make_node("Cast", ["i"], ["y"], to=TensorProto.FLOAT, name="back")
    with pytest.raises(ToolError, match=r"'the Cast'.*export as float32"):
        models.imported(model(node_, back))
