"""The layers that were built, against the wheels they stand in for."""

import json
import marshal
import os
import shutil
import sys
from pathlib import Path
from types import CodeType

import images
import numpy as np
import pytest
import sam_build
from click.testing import CliRunner
from PIL import Image

from tools.checks.build import main
from tools.model.synthetic import synthetic

WHEELS = [Path(path) for path in sys.path if path.endswith("site-packages")]
ROOT = Path(__file__).parents[2]

DECODE = """
import hashlib, json, sys
from pathlib import Path
import cv2
import numpy as np

def digest(pixels):
    return hashlib.sha256(repr((pixels.shape, pixels.dtype.str)).encode() + pixels.tobytes()).hexdigest()

found = {"cv2": cv2.__file__}
for path in sorted(Path(sys.argv[1]).iterdir()):
    for flag in ("COLOR", "REDUCED_COLOR_2", "REDUCED_COLOR_4", "REDUCED_COLOR_8", "GRAYSCALE"):
        data = np.frombuffer(path.read_bytes(), np.uint8)
        pixels = cv2.imdecode(data, getattr(cv2, "IMREAD_" + flag))
        found[f"{path.name} {flag}"] = digest(pixels)
        for how in ("AREA", "LINEAR"):
            for size in ((224, 224), (37, 61), (640, 480)):
                resized = cv2.resize(pixels, size, interpolation=getattr(cv2, "INTER_" + how))
                found[f"{path.name} {flag} {how} {size}"] = digest(resized)
        found[f"{path.name} {flag} RGB"] = digest(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
                                                  if pixels.ndim == 3 else pixels)
print(json.dumps(found))
"""  # noqa: E501

CLASSIFY = """
import sys
from pathlib import Path
import numpy as np
from classifier.model.bundle import Folder, read_bundle
from classifier.model.network import Model

model = Model.load(read_bundle(Folder(Path(sys.argv[1]))))
tensors = np.load(sys.argv[2])
outputs = [model.classify(tensors[:1]), model.classify(tensors)]
sys.stdout.buffer.write(b"".join(output.tobytes() for output in outputs))
"""

ALGEBRA = """
import json, sys
import numpy as np
a, b = np.load(sys.argv[1])["a"], np.load(sys.argv[1])["b"]
u, s, v = np.linalg.svd(a)
found = {
    "inv": np.linalg.inv(a), "solve": np.linalg.solve(a, b), "singular": s, "svd": u @ np.diag(s) @ v,
    "eigvalsh": np.linalg.eigvalsh(a + a.T), "qr": np.abs(np.linalg.qr(a)[1]), "det": np.linalg.det(a),
    "lstsq": np.linalg.lstsq(a, b, rcond=None)[0], "product": a @ b,
}
print(json.dumps({name: np.asarray(value).tolist() for name, value in found.items()}))
"""  # noqa: E501


def write_images(folder: Path) -> None:
    """One of every kind of JPEG, PNG and WebP that decodes along a path of its own."""
    folder.mkdir()
    photograph = images.photograph(1023, 770)
    alpha = photograph.copy()
    alpha.putalpha(Image.linear_gradient("L").resize(photograph.size))
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    deep = Image.fromarray(np.arange(200 * 300, dtype=np.uint16).reshape(200, 300))
    kinds: dict[str, tuple[Image.Image, str, dict[str, object]]] = {
        "420.jpg": (photograph, "JPEG", {"quality": 85, "subsampling": 2}),
        "422.jpg": (photograph, "JPEG", {"quality": 60, "subsampling": 1}),
        "444.jpg": (photograph, "JPEG", {"quality": 95, "subsampling": 0}),
        "progressive.jpg": (photograph, "JPEG", {"quality": 80, "progressive": True}),
        "gray.jpg": (photograph.convert("L"), "JPEG", {}),
        "cmyk.jpg": (photograph.convert("CMYK"), "JPEG", {}),
        "turned.jpg": (photograph, "JPEG", {"exif": exif}),
        "rgb.png": (photograph, "PNG", {}),
        "rgba.png": (alpha, "PNG", {}),
        "palette.png": (photograph.quantize(64), "PNG", {}),
        "deep.png": (deep, "PNG", {}),
        "lossy.webp": (photograph, "WEBP", {"quality": 80}),
        "lossless.webp": (photograph, "WEBP", {"lossless": True}),
        "alpha.webp": (alpha, "WEBP", {"quality": 70}),
    }
    for name, (image, kind, options) in kinds.items():
        (folder / name).write_bytes(images.encode(image, kind, **options))


def test_opencv_decodes_and_resizes_as_the_wheel_to_the_bit(tmp_path: Path) -> None:
    write_images(tmp_path / "images")
    ours, theirs = (
        json.loads(sam_build.python(DECODE, str(tmp_path / "images"), paths=paths))
        for paths in (sam_build.PATHS, WHEELS)
    )
    assert Path(ours.pop("cv2")).is_relative_to(sam_build.LAYERS["OpencvLayer"])
    assert not Path(theirs.pop("cv2")).is_relative_to(sam_build.BUILD)
    assert len(theirs) == 14 * 5 * (1 + 2 * 3 + 1)
    assert [name for name in theirs if ours[name] != theirs[name]] == []


def test_mxnet_computes_as_the_wheel_to_the_bit(tmp_path: Path) -> None:
    bundle, tensors = tmp_path / "bundle", tmp_path / "tensors.npy"
    synthetic(seed=7).write(bundle)
    np.save(tensors, np.random.default_rng(7).normal(size=(3, 3, 224, 224)).astype(np.float32))
    ours, theirs = (
        sam_build.python(CLASSIFY, str(bundle), str(tensors), paths=paths)
        for paths in (sam_build.PATHS, [ROOT / "src", *WHEELS])
    )
    outputs = np.frombuffer(theirs, np.float32)
    assert outputs.shape == (4 * 1000,)
    assert np.isfinite(outputs).all()
    assert outputs.std() > 0
    assert ours == theirs


def test_numpy_solves_without_blas(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(40, 40)), rng.normal(size=(40, 5))
    np.savez(tmp_path / "matrices.npz", a=a, b=b)
    ours, theirs = (
        json.loads(sam_build.python(ALGEBRA, str(tmp_path / "matrices.npz"), paths=paths))
        for paths in (sam_build.PATHS, WHEELS)
    )
    assert theirs
    for name, value in theirs.items():
        np.testing.assert_allclose(ours[name], value, rtol=1e-8, atol=1e-10, err_msg=name)
    np.testing.assert_allclose(ours["svd"], a, atol=1e-10)


def test_all_modules_have_unchecked_bytecode() -> None:
    sources = [
        source
        for folder in sam_build.LAYERS.values()
        for source in (folder / "python").rglob("*.py")
    ]
    assert sources
    for source in sources:
        bytecode = source.parent / "__pycache__" / f"{source.stem}.cpython-312.pyc"
        data = bytecode.read_bytes()
        assert int.from_bytes(data[4:8], "little") == 1, bytecode  # a hash, not to be checked
        code = marshal.loads(data[16:])
        assert isinstance(code, CodeType)
        assert code.co_filename.startswith("/opt/python/"), bytecode


def test_layers_hold_only_what_functions_import() -> None:
    shipped = {
        path.relative_to(folder / "python").parts[0]
        for folder in sam_build.LAYERS.values()
        for path in (folder / "python").iterdir()
    }
    assert shipped == {"cv2", "mxnet", "numpy"}
    useless = [".h", ".a", ".pyi", ".pxd", ".pyx"]
    for folder in sam_build.LAYERS.values():
        for path in folder.rglob("*"):
            assert path.suffix not in useless, path
            assert path.name not in ("tests", "include"), path


def test_all_files_have_the_same_time() -> None:
    times = {
        path.stat().st_mtime
        for folder in sam_build.LAYERS.values()
        for path in folder.rglob("*")
        if path.is_file()
    }
    assert len(times) == 1


def check(folder: Path) -> str:
    result = CliRunner().invoke(main, [str(folder)])
    assert result.exit_code in (0, 1), result.output
    return result.output


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The build again, to be spoilt; its files are shared, so take away or add, change none."""
    folder = tmp_path / "build"
    shutil.copytree(sam_build.BUILD, folder, copy_function=os.link)
    return folder


def test_build_passes_its_checks() -> None:
    output = check(sam_build.BUILD)
    assert "all for x86_64, complete, and old enough for Lambda" in output


def test_build_without_libgomp_is_refused(copy: Path) -> None:
    (copy / "MxnetLayer/python/mxnet/libgomp.so.1").unlink()
    output = check(copy)
    assert "libmxnet.so: needs libgomp.so.1, which neither the layers nor Lambda have" in output


def test_build_with_300_more_megabytes_is_refused(copy: Path) -> None:
    with (copy / "OpencvLayer/python/ballast").open("wb") as file:
        file.truncate(300_000_000)
    assert "ballast: function and layers have" in check(copy)
