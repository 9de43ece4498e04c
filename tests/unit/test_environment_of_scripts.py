"""A command finds the project's environment, or says in one line how to make it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools.project import ROOT

# Every Python of this machine that is not the environment's own.
PYTHONS = sorted(
    {
        str(path)
        for name in ("python2", "python3", *(f"python3.{minor}" for minor in range(6, 15)))
        for path in (Path("/usr/bin", name), Path("/usr/local/bin", name))
        if path.exists()
    }
)
needs_another_python = pytest.mark.skipif(not PYTHONS, reason="there is no other Python here")
every_python = pytest.mark.parametrize("python", PYTHONS)
PROGRAM = "import _environment, sys; print(sys.executable)\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with one command, and no environment."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / "tools").mkdir()
    shutil.copy(ROOT / "scripts/_environment.py", tmp_path / "scripts")
    (tmp_path / "scripts/act.py").write_text(PROGRAM)
    return tmp_path


def run(python: str | Path, script: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([python, script], capture_output=True, text=True, check=False)


def error(python: str | Path, script: Path) -> str:
    process = run(python, script)
    assert process.returncode == 1
    assert process.stdout == ""
    assert process.stderr.count("\n") == 1
    return process.stderr


@needs_another_python
@every_python
def test_any_python_hands_over_to_the_environment(python: str, tmp_path: Path) -> None:
    process = subprocess.run(
        [python, ROOT / "scripts/model.py", "-h"],
        capture_output=True, text=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    assert process.stdout.startswith("Usage: scripts/model.py")


@needs_another_python
@every_python
def test_missing_environment_is_one_line(python: str, project: Path) -> None:
    assert "run `make setup`" in error(python, project / "scripts/act.py")


def test_environment_without_packages_is_one_line(project: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", project / ".venv"], check=True)
    for python in (project / ".venv/bin/python", *PYTHONS[:1]):
        message = error(python, project / "scripts/act.py")
        assert message.startswith("Error: .venv is incomplete, or was made for another folder")


def test_environment_of_another_folder_is_noticed(project: Path) -> None:
    (project / ".venv").symlink_to(sys.prefix)  # Its tools are those of the project itself.
    assert "was made for another folder" in error(sys.executable, project / "scripts/act.py")


def test_missing_package_is_one_line(project: Path) -> None:
    script = ROOT / "scripts/_environment.py"
    code = (
        f"import sys; sys.path.insert(0, {str(script.parent)!r}); import _environment, no_such_one"
    )
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert process.stderr == "Error: .venv lacks no_such_one: run `make setup GROUP=test`\n"


def test_moved_folder_is_set_up_anew(project: Path) -> None:
    shutil.copy(ROOT / "Makefile", project)
    (project / ".venv").mkdir()
    ready = project / ".venv/ready"
    for name in (
        "scripts/setup.sh",
        "pyproject.toml",
        "constraints.txt",
        "src/requirements.txt",
    ):
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).touch()

    def commands(folder: str) -> str:
        ready.write_text(f"{folder}\n")
        process = subprocess.run(
            ["make", "-n", ".venv/ready"], cwd=project, capture_output=True, text=True, check=True
        )
        return process.stdout

    assert "scripts/setup.sh" not in commands(str(project.resolve()))
    assert "scripts/setup.sh" in commands("/elsewhere")


@pytest.mark.parametrize("option", ["-h", "--help"])
@pytest.mark.parametrize("target", ["deploy", "deploy-local", "bench", "load"])
def test_help_of_a_target_builds_nothing(target: str, option: str) -> None:
    process = subprocess.run(
        ["make", "-n", target, f"ARGS={option}"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "sam build" not in process.stdout
    assert "setup.sh bench" not in process.stdout
