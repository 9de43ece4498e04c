"""MXNet and NumPy, imported lean: what is put off is not gone, and inference wakes none of it."""

import json
import subprocess
import sys
from pathlib import Path

import colors
import pytest

SRC = str(Path(__file__).parents[2] / "src")


def run(code: str, *arguments: str) -> dict[str, object]:
    """What ``code`` prints as JSON, in a Python of its own where warnings are errors."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *arguments],
        env={"PYTHONPATH": SRC, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_inference_executes_no_deferred_module(tmp_path: Path, dtype: str) -> None:
    folder = colors.write_bundle(tmp_path / "colors", dtype)
    answer = run(
        """
import json, sys
from pathlib import Path
from classifier.model.lean_numpy import import_numpy
import_numpy()
import numpy as np
from classifier.model.bundle import Folder, read_bundle
from classifier.model.network import Model
model = Model.load(read_bundle(Folder(Path(sys.argv[1]))))
model.classify(np.zeros((1, 3, 32, 32), np.float32))
model.classify(np.zeros((3, 3, 32, 32), np.float32))
deferred = [n for n, m in sys.modules.items() if type(m).__name__ == "DeferredModule"]
print(json.dumps({
    "deferred": deferred,
    "others": [n for n in ("scipy", "requests", "distutils", "boto3") if n in sys.modules],
}))
""",
        str(folder),
    )
    assert {
        *("mxnet.numpy", "mxnet.gluon", "mxnet.test_utils", "mxnet.symbol.numpy"),
        *("numpy.fft", "numpy.ma", "numpy.polynomial", "numpy.random"),
    } <= set(answer["deferred"])  # type: ignore[call-overload]
    assert answer["others"] == []


def test_inspecting_all_modules_executes_none() -> None:
    answer = run(
        """
import inspect, json, sys
from classifier.model.lean_mxnet import mx
before = sum(type(m).__name__ == "DeferredModule" for m in sys.modules.values())
inspect.getmodule(inspect.currentframe())
[getattr(m, "__warningregistry__", None) for m in list(sys.modules.values())]
after = sum(type(m).__name__ == "DeferredModule" for m in sys.modules.values())
print(json.dumps({"before": before, "after": after}))
"""
    )
    assert answer["before"] == answer["after"] > 20  # type: ignore[operator]


EXPECTED = {
    "mx.nd.zeros((2, 3)).shape": [2, 3],
    "(mx.nd.ones((2,)) + 1).asnumpy().tolist()": [2.0, 2.0],
    "mx.nd.contrib.isnan(mx.nd.ones((1,))).asnumpy().tolist()": [0.0],
    "mx.nd.Convolution.__name__": "Convolution",
    "mx.sym.softmax(mx.sym.Variable('a'), name='b').list_outputs()": ["b_output"],
    "mx.np_symbol._Symbol.__name__": "_Symbol",
    "mx.np.ones((2,)).asnumpy().tolist()": [1.0, 1.0],
    "mx.mod.BucketingModule.__name__": "BucketingModule",
    "mx.gluon.nn.Dense(3, in_units=2).weight.shape": [3, 2],
    "mx.contrib.quantization.quantize_model_mkldnn.__name__": "quantize_model_mkldnn",
    "mx.image.imresize.__name__": "imresize",
    "mx.test_utils.default_context().device_type": "cpu",
    "hasattr(mx.nd, 'no_such_operator')": False,
    "hasattr(mx.gluon, 'nonsense')": False,
}


def test_deferred_modules_work_when_used() -> None:
    found = run(
        "import json, sys; from classifier.model.lean_mxnet import mx; "
        "print(json.dumps({code: eval(code) for code in sys.argv[1:]}))",
        *EXPECTED,
    )
    assert found == EXPECTED


OF_NUMPY = {
    "np.random.default_rng(0).integers(5, 6)": 5,
    "np.ma.masked_equal([1, 2], 2).count()": 1,
    "np.fft.fft([1, 0]).real.tolist()": [1.0, 1.0],
    "np.polynomial.Polynomial([1, 2])(3)": 7.0,
    "np.lib.npyio.np is np": True,
    "hasattr(np.random, 'nonsense')": False,
}


def test_deferred_modules_of_numpy_work_when_used() -> None:
    values = run(
        "import json, sys; from classifier.model.lean_numpy import import_numpy; import_numpy(); "
        "import numpy as np; "
        "print(json.dumps({code: np.asarray(eval(code)).tolist() for code in sys.argv[1:]}))",
        *OF_NUMPY,
    )
    assert values == OF_NUMPY


def test_arrays_of_two_kinds_are_not_mixed() -> None:
    answer = run(
        """
import json
from classifier.model.lean_mxnet import mx
try:
    mx.nd.broadcast_add(mx.nd.ones((1,)), mx.np.ones((1,)))
except TypeError as error:
    print(json.dumps({"error": str(error)}))
"""
    )
    assert "legacy" in str(answer["error"])


def test_training_works() -> None:
    answer = run(
        """
import json
import numpy as np
from classifier.model.lean_mxnet import mx
rng = np.random.default_rng(0)
x = rng.standard_normal((64, 2)).astype(np.float32)
y = (x.sum(axis=1) > 0).astype(np.float32)
net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=2, name="fc")
net = mx.sym.SoftmaxOutput(net, name="softmax")
module = mx.mod.Module(net)
pairs = mx.io.NDArrayIter(x, y, 16)
module.fit(pairs, num_epoch=20, optimizer="sgd", optimizer_params={"learning_rate": 0.5},
           initializer=mx.init.Zero(), eval_metric="acc")
print(json.dumps({"accuracy": module.score(pairs, "acc")[0][1]}))
"""
    )
    assert answer["accuracy"] > 0.95  # type: ignore[operator]
