"""The commands of the documents, pasted as they stand, page by page and in order, into one folder.

tests/unit/test_documents.py looks at those that need the package index, a build or AWS; README.md
and docs/clients.md have tests of their own.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import checkpoints
import colors
import own_classes
import pytest
import shell_blocks

from tools.local.process import run_local_stack
from tools.project import ROOT

NETWORK = Path(__file__).parent / "test_model_onnx_files" / "mobilenet-v2-new.onnx"
LITE0 = ROOT / "models" / "efficientnet-lite0"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a clone holds, as far as commands name it, with room for what they write."""
    for name in ("scripts", "docs"):
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "models" / "demo", tmp_path / "models" / "demo")
    (tmp_path / ".venv").symlink_to(sys.prefix)
    return tmp_path


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The port of a local stack."""
    bundle = colors.write_bundle(tmp_path_factory.mktemp("bundle") / "colors")
    with run_local_stack(tmp_path_factory.mktemp("log") / "log", MODEL=str(bundle)) as url:
        yield url.rpartition(":")[2]


def shell(text: str, folder: Path, **variables: str) -> str:
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", text],
        cwd=folder,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
    return done.stdout


def page(name: str) -> Path:
    return ROOT / "docs" / name


def commands(name: str, *starts: str) -> list[shell_blocks.Command]:
    """The page's commands that begin so."""
    return [
        command for command in shell_blocks.commands(page(name)) if command.text.startswith(starts)
    ]


def write_labels(folder: Path, count: int, name: str = "labels.txt") -> None:
    (folder / name).write_text("".join(f"class {number}\n" for number in range(count)))


def test_models(folder: Path) -> None:
    blocks = shell_blocks.blocks(page("models.md"))
    [export] = [text for language, text in blocks if language == "python"]
    shell(f".venv/bin/python -c '{export}'", folder)
    for command in commands("models.md", "scripts/model.py", "scripts/train_demo.py", "printf"):
        if command.text.startswith("scripts/model.py fetch"):
            continue
        if "models/properties" in command.text:  # test_model_multilabel.py has such a network
            continue
        for name, labels in (("checkpoint.pth", "labels.txt"), ("tags.pth", "tags.txt")):
            if name in command.text:
                (folder / name).write_bytes(checkpoints.resnet18())
                write_labels(folder, 1000, labels)
        output = shell(command.text, folder)
        if " evaluate " in command.text or "train_demo" in command.text:
            assert output.splitlines() == [line for line in command.output if line]
        if " inspect " in command.text:
            assert output.split()[:2] == ["bundle", "models/demo"]
    made = {path.name for path in (folder / "models").iterdir()}
    assert made == {"demo", "my-net", "my-checkpoint", "tags", "demo-int8", "demo-half"}


def test_onnx(folder: Path) -> None:
    [command] = commands("onnx.md", "scripts/model.py import")
    shutil.copy(NETWORK, folder / "network.onnx")
    write_labels(folder, 10)
    own_classes.write_colors(folder / "photographs", 4)
    output = shell(command.text, folder).splitlines()
    # The sizes are this network's, and so are the differences.
    patterns = [re.sub(r"\d[\d,]*(e-\d+)?", "*", line) for line in command.output if line]
    assert len(output) == len(patterns)
    assert [line for line, each in zip(output, patterns, strict=True) if not like(line, each)] == []


def like(line: str, pattern: str) -> bool:
    return fnmatchcase(line.replace("[", "("), pattern)


@pytest.mark.skipif(not LITE0.is_dir(), reason="models/efficientnet-lite0 is missing")
def test_own_classes(folder: Path) -> None:
    first, second, *others = commands("own-classes.md", "scripts/model.py train")
    assert not others
    own_classes.write_colors(folder / "photos")
    assert "models/insects holds insects" in shell(first.text, folder)
    shutil.rmtree(folder / "models" / "insects")
    shutil.rmtree(folder / "photos")
    own_classes.write_colors(folder / "photos/train")
    own_classes.write_colors(folder / "photos/val", first_seed=100)
    assert "that were not trained with are right" in shell(second.text, folder)


def test_batches_on_this_machine(folder: Path, stack: str) -> None:
    [command] = commands("batches.md", "scripts/batch.py local")
    shell(command.text, folder, PORT=stack)
    lines = (folder / "look.jsonl").read_text().splitlines()
    assert len(lines) == len([*page("images").glob("*.png")])
    assert all('"labels"' in line for line in lines)


def test_uploads_on_this_machine(folder: Path, stack: str) -> None:
    watch = commands("uploads.md", "mkdir", "scripts/uploads.py local")
    text = "\n".join(command.text for command in watch)
    copies = re.findall(r"`(cp docs/\S+ my-images/)`", page("uploads.md").read_text())
    assert len(copies) == 1
    process = subprocess.Popen(  # it watches until it is ended
        ["bash", "-c", text.replace("local my", f"local --api http://127.0.0.1:{stack} my")],
        cwd=folder,
        start_new_session=True,
    )
    try:
        while not (folder / "my-images").exists():
            time.sleep(0.1)
        shell(copies[0], folder)
        deadline = time.monotonic() + 60
        while not (folder / "my-images/example.jpg.json").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert '"labels"' in (folder / "my-images/example.jpg.json").read_text()
    finally:
        os.killpg(process.pid, 15)
        process.wait(20)
