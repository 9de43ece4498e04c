"""The model tool as people call it: what it makes, shows and refuses."""

import json
import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import colors
import cv2
import model_tool
import numpy as np
import pytest
from botocore.exceptions import ClientError

from classifier.errors import BundleError
from classifier.location import S3Prefix
from classifier.model.bundle import MANIFEST, Folder, read_bundle
from classifier.model.lean_mxnet import mx
from classifier.model.network import Model
from tools.model import publish as publishing
from tools.model.base import Base
from tools.model.catalogue import NETWORKS
from tools.model.cli import COMMANDS
from tools.model.half import halve
from tools.store import s3_store

ROOT = Path(__file__).parents[2]


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return colors.write_bundle(tmp_path / "colors")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Four images, one of them called by another colour than it has."""
    folder = tmp_path / "images"
    folder.mkdir()
    for name, rgb in {
        "c0_a.png": (250, 10, 10),
        "c0_b.png": (200, 60, 30),
        "c2_a.png": (20, 20, 240),
        "c1_wrong.png": (20, 20, 240),
    }.items():
        cv2.imwrite(str(folder / name), np.full((40, 60, 3), rgb[::-1], np.uint8))
    return folder


Says = Callable[..., str]


@pytest.fixture
def does(capsys: pytest.CaptureFixture[str]) -> Says:
    """Run a command that succeeds: what it says."""

    return partial(model_tool.output, capsys)


@pytest.fixture
def refuses(capsys: pytest.CaptureFixture[str]) -> Says:
    """Run a command that fails: the one line that it says."""

    def run(*arguments: object) -> str:
        return model_tool.refusal(capsys, *arguments).removeprefix("Error: ").rstrip("\n")

    return run


def parts(bundle: Path) -> list[object]:
    return [bundle / "colors-symbol.json", bundle / "colors-0000.params", bundle / "synset.txt"]


SCALE = "--scale 0.00392156862745098 --mean .5,.5,.5 --std .5,.5,.5"
RECIPE = ["--size", "32", "--resize", "36", *SCALE.split()]


def test_bundle_makes_what_the_function_loads(bundle: Path, tmp_path: Path, does: Says) -> None:
    said = does("bundle", *parts(bundle), "--name", "mine", *RECIPE, "--to", tmp_path / "to")
    assert said.startswith(f"{tmp_path / 'to'} holds mine, version 2")
    made = read_bundle(Folder(tmp_path / "to"))
    assert made.manifest.input == read_bundle(Folder(bundle)).manifest.input
    assert not made.manifest.output.probabilities  # a fully connected layer is no softmax
    assert sorted(file.name for file in (tmp_path / "to").iterdir()) == [
        "manifest.json", "mine-0000.params", "mine-symbol.json", "synset.txt",
    ]  # fmt: skip
    # Readable by whoever serves it, not by its maker alone.
    assert (tmp_path / "to").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize(
    ("options", "fit", "resize"),
    [
        ([], "squash", 32),
        (["--resize", "40"], "crop", 40),
        (["--fit", "crop"], "crop", 37),
        (["--fit", "crop", "--resize", "32"], "crop", 32),
        (["--fit", "squash"], "squash", 32),
    ],
)
def test_how_a_image_is_fitted(
    bundle: Path, tmp_path: Path, does: Says, options: list[str], fit: str, resize: int
) -> None:
    does("bundle", *parts(bundle), "--name", "x", "--size", 32, *options, "--to", tmp_path / "to")
    preprocessing = read_bundle(Folder(tmp_path / "to")).manifest.input
    assert (preprocessing.fit, preprocessing.resize) == (fit, resize)


@pytest.mark.parametrize("output", ["probabilities", "logits"])
def test_the_output_is_what_one_says(bundle: Path, tmp_path: Path, does: Says, output: str) -> None:
    options = "--name", "x", "--size", 32, "--output", output, "--to", tmp_path / "to"
    does("bundle", *parts(bundle), *options)
    made = read_bundle(Folder(tmp_path / "to")).manifest
    assert made.output.probabilities == (output == "probabilities")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--size", "0"], "input.size is 0"),
        (["--size", "5000"], "input.size is 5000"),
        (["--size", "32", "--resize", "20"], "not above resize"),
        (["--size", "32", "--resize", "40", "--fit", "squash"], "--resize goes with --fit crop"),
        (["--size", "32", "--std", "1,0,1"], "should not hold a zero"),
        (["--size", "32", "--mean", "1,2"], "not three numbers"),
        (["--size", "32", "--mean", "1,2,x"], "'x' is not a number"),
        (["--size", "32", "--scale", "nan"], "'nan' is not a number"),
        (["--size", "x"], "'x' is not a valid integer"),
        (["--size", "32", "--color", "CMYK"], "'CMYK' is not one of 'RGB', 'BGR'"),
        (["--size", "32", "--name", "a/b"], "'a/b' is no name"),
        ([], "Missing option '--size'"),
    ],
)
def test_bundle_refuses_a_recipe_that_is_none(
    bundle: Path, tmp_path: Path, refuses: Says, options: list[str], said: str
) -> None:
    to = tmp_path / "to"
    assert said in refuses("bundle", *parts(bundle), "--name", "x", "--to", to, *options)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["colors"]


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("colors-symbol.json", b"{}", "not an MXNet symbol"),
        ("colors-symbol.json", b"\xff\xfe", "not an MXNet symbol"),
        ("colors-0000.params", b"x" * 100, "not MXNet parameters"),
        ("colors-0000.params", None, "No such file"),
        ("synset.txt", b"one\ntwo\n", "2 labels for 3 outputs"),
        ("synset.txt", b"one\n\ntwo\n", "line 2 is empty"),
        ("synset.txt", b"\xff", "not UTF-8"),
    ],
)
def test_bundle_names_the_file_that_is_wrong(
    bundle: Path, tmp_path: Path, refuses: Says, file: str, content: bytes | None, said: str
) -> None:
    (bundle / file).unlink()
    if content is not None:
        (bundle / file).write_bytes(content)
    to = tmp_path / "to"
    line = refuses("bundle", *parts(bundle), "--name", "x", "--size", 32, "--to", to)
    assert line.startswith(f"{bundle / file}: ")
    assert said in line
    assert not to.exists()


def test_a_bundle_is_never_changed(bundle: Path, tmp_path: Path, refuses: Says, does: Says) -> None:
    before = {file: file.read_bytes() for file in bundle.iterdir()}
    command = "bundle", *parts(bundle), "--name", "x", "--size", 32, "--to"
    assert "is not empty, and a bundle is never changed" in refuses(*command, bundle)
    assert "is not empty" in refuses("synthetic", "--to", bundle)
    assert before == {file: file.read_bytes() for file in bundle.iterdir()}
    assert "not a folder" in refuses(*command, bundle / "synset.txt")
    (tmp_path / "empty").mkdir()
    does(*command, tmp_path / "empty")
    does(*command, tmp_path / "new" / "deep")


def test_inspect_shows_what_a_bundle_holds(bundle: Path, does: Says) -> None:
    said = does("inspect", bundle)
    digests = json.loads((bundle / "manifest.json").read_text())["files"].values()
    for wanted in ("colors", "computed by hand", "3 classes, logits", "short side to 36", "RGB"):
        assert wanted in said
    lines = [line.split(maxsplit=1) for line in map(str.strip, said.splitlines())]
    assert ["embedding", "3 numbers"] in lines
    assert ["maps", "4 x 4"] in lines
    assert all(file["sha256"] in said for file in digests)


def test_inspect_shows_what_else_a_manifest_tells(tmp_path: Path, does: Says) -> None:
    bundle = colors.write_bundle(tmp_path / "colors", accuracy={"top1": 0.75, "images": 4})
    lines = [line.split() for line in does("inspect", bundle).splitlines()]
    assert ["accuracy", "top1:", "0.75"] in lines
    assert ["images:", "4"] in lines


def test_inspect_says_what_a_network_lacks(tmp_path: Path, does: Says) -> None:
    said = does("inspect", colors.write_bundle(tmp_path, output={"probabilities": False}))
    lines = [line.split()[:2] for line in said.splitlines()]
    assert ["embedding", "none:"] in lines
    assert ["maps", "none:"] in lines


def test_bundle_finds_the_layers_by_itself(bundle: Path, tmp_path: Path, does: Says) -> None:
    files = [bundle / name for name in ("colors-symbol.json", "colors-0000.params", "synset.txt")]
    does("bundle", *files, "--name", "colors", "--size", 32, "--to", tmp_path / "new")
    output = read_bundle(Folder(tmp_path / "new")).manifest.output
    assert (output.embedding, output.features) == ("embedding_output", "features_output")


def test_inspect_verifies(bundle: Path, tmp_path: Path, refuses: Says) -> None:
    data = bytearray((bundle / "colors-0000.params").read_bytes())
    data[-1] ^= 1
    (bundle / "colors-0000.params").write_bytes(data)
    assert "colors-0000.params: its SHA-256 is not the one" in refuses("inspect", bundle)
    assert "no such folder" in refuses("inspect", tmp_path / "none")
    assert "is not of the form s3://bucket/prefix" in refuses("inspect", "s3://")


def test_inspect_in_s3_says_that_there_are_no_credentials(
    tmp_path: Path, refuses: Says, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))  # where AWS's own files would be
    assert refuses("inspect", "s3://models/colors") == (
        "no AWS credentials: run `aws configure` or `aws sso login`, or set AWS_PROFILE"
    )


def test_evaluate(bundle: Path, images: Path, does: Says) -> None:
    said = does("evaluate", bundle, "--images", images, "--json")
    assert json.loads(said) == {"images": 4, "top1": 0.75, "top5": 1.0}
    assert does("evaluate", bundle, "--images", images) == (
        "4 images: top-1 75.00%\n"  # of three classes the best five are always right
    )


def test_evaluate_refuses_what_it_cannot_count(bundle: Path, images: Path, refuses: Says) -> None:
    (images / "stranger_1.png").write_bytes((images / "c0_a.png").read_bytes())
    assert "stranger_1.png: the name has no class" in refuses(
        "evaluate", bundle, "--images", images
    )
    (images / "stranger_1.png").write_bytes(b"no image")
    (images / "stranger_1.png").rename(images / "c0_broken.png")
    assert "c0_broken.png: " in refuses("evaluate", bundle, "--images", images)


def test_half_precision_keeps_the_answers(
    bundle: Path, images: Path, tmp_path: Path, does: Says
) -> None:
    said = does("half", bundle, "--images", images, "--to", tmp_path / "half")
    assert "4 of 4 images keep their first label" in said
    whole, half = (read_bundle(Folder(folder)) for folder in (bundle, tmp_path / "half"))
    arrays = mx.nd.load_frombuffer(half.params)
    assert {array.dtype for array in arrays.values() if array.ndim > 1} == {np.float16}
    assert half.manifest.version == f"{whole.manifest.version}-half"
    tensor = np.full((3, 32, 32), 100, np.float32)
    before, after = (Model.load(each).classify([tensor]) for each in (whole, half))
    assert np.abs(before - after).max() < 0.01
    first, second = (Base(each).embed([tensor]) for each in (whole, half))
    assert np.abs(first - second).max() < 0.01


def test_parameters_that_are_cut_off_are_not_halved() -> None:
    bundle = read_bundle(Folder(ROOT / "models" / "demo"))
    cut_off = replace(bundle, params=bundle.params[:100])
    with pytest.raises(BundleError, match=r"\.params: not MXNet parameters: "):
        halve(cut_off, b"")


def test_a_bundle_in_half_precision_is_quantized_but_not_halved(
    bundle: Path, images: Path, tmp_path: Path, does: Says, refuses: Says
) -> None:
    half = tmp_path / "half"
    does("half", bundle, "--images", images, "--to", half)
    assert "in half precision already" in refuses(
        "half", half, "--images", images, "--to", tmp_path / "quarter"
    )
    does("quantize", half, "--images", images, "--to", tmp_path / "int8", "--force")


def test_half_precision_that_changes_an_answer_is_refused(
    bundle: Path, images: Path, tmp_path: Path, does: Says, refuses: Says
) -> None:
    # The part that all rows share leaves float16 no digits for what tells them apart.
    weights = {"arg:fc_weight": mx.nd.array(colors.WEIGHTS * 0.4 + 4098)}
    mx.nd.save(str(bundle / "colors-0000.params"), weights | {"arg:fc_bias": mx.nd.zeros(3)})
    manifest = json.loads((bundle / MANIFEST).read_text())
    manifest["files"]["params"] = colors.describe(bundle, "colors-0000.params")
    (bundle / MANIFEST).write_text(json.dumps(manifest))
    said = refuses("half", bundle, "--images", images, "--to", tmp_path / "half")
    assert "nothing was written" in said
    assert not (tmp_path / "half").exists()
    assert "of 4 images" in does(
        "half", bundle, "--images", images, "--to", tmp_path / "half", "--force"
    )


def test_publish_and_inspect_in_s3(
    bundle: Path, s3: Any, does: Says, refuses: Says, tmp_path: Path
) -> None:
    s3.create_bucket(Bucket="models")
    said = does("publish", bundle, "s3://models/colors/1")
    assert (
        said
        == "s3://models/colors/1 holds the bundle: deploy with MODEL_URI=s3://models/colors/1\n"
    )
    assert read_bundle(s3_store(S3Prefix("models", "colors/1"))) == read_bundle(Folder(bundle))
    assert "s3://models/colors/1" in does("inspect", "s3://models/colors/1")

    # The next version goes beside it, and below it.
    newer = colors.write_bundle(tmp_path / "newer", version="2")
    assert "already holds a bundle" in refuses("publish", newer, "s3://models/colors/1")
    does("publish", newer, "s3://models/colors/1/2")
    assert read_bundle(s3_store(S3Prefix("models", "colors/1"))).manifest.version == "1"


def test_publish_takes_over_only_what_is_the_same(
    bundle: Path, s3: Any, does: Says, refuses: Says
) -> None:
    s3.create_bucket(Bucket="models")
    labels = (bundle / "synset.txt").read_bytes()
    s3.put_object(Bucket="models", Key="half/synset.txt", Body=labels)
    does("publish", bundle, "s3://models/half")

    s3.put_object(Bucket="models", Key="other/synset.txt", Body=b"another\n")
    assert "synset.txt: another file of that name" in refuses(
        "publish", bundle, "s3://models/other"
    )
    assert s3.get_object(Bucket="models", Key="other/synset.txt")["Body"].read() == b"another\n"
    with pytest.raises(ClientError):
        s3.head_object(Bucket="models", Key="other/manifest.json")

    s3.put_object(Bucket="models", Key="taken/resnet-18-symbol.json", Body=b"{}")
    assert "is not empty, taken/resnet-18-symbol.json is there" in refuses(
        "publish", bundle, "s3://models/taken"
    )


def test_publish_puts_the_manifest_last_and_never_replaces(
    bundle: Path, s3: Any, does: Says, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3.create_bucket(Bucket="models")
    calls = []
    client = publishing.boto3.client("s3")
    put = client.put_object
    monkeypatch.setattr(client, "put_object", lambda **call: (calls.append(call), put(**call))[1])
    real = publishing.boto3.client
    clients = iter([client])
    monkeypatch.setattr(
        publishing.boto3, "client", lambda *a, **k: next(clients, None) or real(*a, **k)
    )
    does("publish", bundle, "s3://models/x")
    assert [call["Key"] for call in calls][-1] == "x/manifest.json"
    assert len(calls) == 4
    assert all(call["IfNoneMatch"] == "*" for call in calls)


def test_publish_refuses_what_is_broken(
    bundle: Path, s3: Any, refuses: Says, tmp_path: Path
) -> None:
    assert "S3 answered NoSuchBucket" in refuses("publish", bundle, "s3://models/x")
    s3.create_bucket(Bucket="models")
    (bundle / "synset.txt").write_text("altered\n")
    assert "synset.txt: " in refuses("publish", bundle, "s3://models/x")
    assert "Contents" not in s3.list_objects_v2(Bucket="models")
    assert "is not of the form" in refuses("publish", bundle, "s3:/models")


def test_publish_refuses_a_folder_without_a_manifest(
    bundle: Path, s3: Any, refuses: Says, tmp_path: Path
) -> None:
    s3.create_bucket(Bucket="models")
    (bundle / "manifest.json").unlink()
    for role in ("symbol.json", "0000.params"):
        (bundle / f"colors-{role}").rename(bundle / f"resnet-18-{role}")
    assert "has no manifest.json; make a bundle of it" in refuses(
        "publish", bundle, "s3://models/x"
    )


def test_publish_where_nobody_listens(
    bundle: Path, refuses: Says, monkeypatch: pytest.MonkeyPatch, s3_server: Any
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    assert "Could not connect" in refuses("publish", bundle, "s3://models/x")


def test_the_script_runs_by_itself_and_elsewhere(bundle: Path, tmp_path: Path) -> None:
    """As a program: from another folder, through a pipe, its output nothing but its answer."""
    shutil.copytree(bundle, tmp_path / "copy")
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/model.py", "inspect", "copy"],
        cwd=tmp_path, env=os.environ, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stderr == ""
    assert done.stdout.startswith("bundle     copy")


def test_progress_shows_on_a_terminal(bundle: Path, images: Path) -> None:
    shown, terminal = pty.openpty()
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/model.py", "evaluate", bundle, "--images", images],
        env=os.environ | {"TERM": "xterm", "COLUMNS": "80"},
        stdout=subprocess.PIPE, stderr=terminal, text=True, check=True, timeout=60,
    )  # fmt: skip
    os.close(terminal)
    assert done.stdout == "4 images: top-1 75.00%\n"
    assert "images" in os.read(shown, 100_000).decode()
    os.close(shown)


def test_help_lists_every_command_without_mxnet() -> None:
    code = (
        "import sys; from tools.model.cli import cli; status = cli.run(['--help']);"
        " sys.exit(status or 'mxnet' in sys.modules or 'cv2' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    for name in COMMANDS:
        assert f"\n  {name} " in done.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str, does: Says) -> None:
    assert does(name, "--help").startswith(f"Usage: scripts/model.py {name} ")


def test_list_shows_the_catalogue(does: Says, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    table = does("list")
    for name, network in NETWORKS.items():
        (line,) = [line for line in table.splitlines() if line.strip().startswith(name)]
        assert f"{network.top1:g}" in line
        assert network.licence in line
