"""scripts/setup.sh makes the environment: with uv, or with pip where uv cannot.

Programs stand for Python, pip and uv here: each writes its arguments into ``calls``.
"""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tools import packages
from tools.errors import ToolError
from tools.model import cli as model_cli
from tools.project import ROOT
from tools.uv_settings import pip_settings, uv_settings

PACKAGES = "-c constraints.txt -r src/requirements.txt --group run"
# A Python that makes an environment whose Python is no more than a program, with or without pip.
PYTHON = """
echo "python $*" >> ../calls
case "$*" in
    *-m\\ venv*)
        /bin/mkdir -p .venv/bin .venv/lib/python3.12/site-packages
        /bin/cp "$0" .venv/bin/python ;;
    --version) echo "Python 3.12.1" ;;
    *-m\\ pip*install*uv==*) {uv} ;;
    *-m\\ pip*install*) {pip} ;;
esac
"""
UV_IS_THERE = """/bin/cp ../uv .venv/bin/uv"""
UV_IS_MISSING = "echo 'ERROR: No matching distribution found for uv'; exit 1"
OFFLINE = (
    "echo \"WARNING: Retrying (Retry(total=0)) after connection broken by 'NameResolutionError("
    "[Errno -3] Temporary failure in name resolution)'\";"
    " echo 'ERROR: No matching distribution found'; exit 1"
)
PIP_FAILS = "echo 'ERROR: first'; echo 'ERROR: no wheel fits'; echo done; exit 1"


@dataclass
class Setup:
    """What became of one run of setup.sh."""

    process: "subprocess.CompletedProcess[str]"
    folder: Path

    @property
    def calls(self) -> list[str]:
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []

    @property
    def is_ready(self) -> bool:
        return (self.folder / "project/.venv/ready").exists()


def path_with(folder: Path, programs: Mapping[str, str]) -> None:
    """Make a PATH that holds what setup.sh needs and ``programs`` (name: script), and no more."""
    folder.mkdir()
    for name in ("awk", "bash", "cat", "cksum", "dirname", "env", "rm"):
        place = shutil.which(name)
        assert place
        (folder / name).symlink_to(place)
    for name, script in programs.items():
        write_program(folder / name, script)


def write_program(file: Path, script: str) -> None:
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


def setup(tmp_path: Path, programs: Mapping[str, str], *groups: str) -> Setup:
    """A run of setup.sh in a new folder."""
    (tmp_path / "project/scripts").mkdir(parents=True)
    shutil.copy(ROOT / "scripts/setup.sh", tmp_path / "project/scripts")
    (tmp_path / "project/src").mkdir()
    for name in ("pyproject.toml", "constraints.txt", "src/requirements.txt"):
        shutil.copy(ROOT / name, tmp_path / "project" / name)
    path_with(tmp_path / "bin", programs)
    return set_up_again(tmp_path, *groups)


def set_up_again(tmp_path: Path, *groups: str) -> Setup:
    """A run of setup.sh where one was before."""
    process = subprocess.run(
        [tmp_path / "project/scripts/setup.sh", *groups],
        env={"PATH": str(tmp_path / "bin")},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return Setup(process, tmp_path)


def setup_with_python(
    tmp_path: Path, *groups: str, uv: str = UV_IS_THERE, uv_run: str = "", pip: str = ""
) -> Setup:
    """uv: what installing it does; uv_run: what it does itself; pip: what pip does otherwise."""
    write_program(tmp_path / "uv", f'echo "uv $*" >> ../calls\n{uv_run}')
    python = PYTHON.format(uv=uv or ":", pip=pip or ":")
    return setup(tmp_path, {"python3.12": python}, *groups)


def test_without_python_and_uv_says_how_to_get_them(tmp_path: Path) -> None:
    # A pyenv shim is there, and fails: the version is not installed.
    done = setup(tmp_path, {"python3.12": "echo 'pyenv: version not installed' >&2; exit 127"})
    assert done.process.returncode == 1
    assert done.process.stdout == ""
    assert len(done.process.stderr.splitlines()) == 1
    assert done.process.stderr.startswith("Python 3.12 is missing: install it")
    assert "uv" in done.process.stderr


def test_uv_makes_the_environment_where_python_is_too_old(tmp_path: Path) -> None:
    uv = (
        'echo "uv $*" >> ../calls\n'
        '[ "$1" = venv ] && /bin/mkdir -p .venv/lib/python3.12/site-packages\nexit 0'
    )
    done = setup(tmp_path, {"python3.12": "exit 1", "uv": uv})
    assert done.process.returncode == 0, done.process.stderr
    assert done.calls[0] == "uv venv --quiet --clear --seed --python 3.12 .venv"
    assert done.calls[-2].endswith(f"install --python .venv/bin/python {PACKAGES}")
    assert done.calls[-1].endswith("--no-build-isolation --no-deps -e .")
    assert done.is_ready


def test_failed_setup_is_not_marked_as_ready(tmp_path: Path) -> None:
    uv = '[ "$1" = venv ] && /bin/mkdir -p .venv && exit 0; [ "$1" = pip ] && exit 2; exit 0'
    done = setup(tmp_path, {"uv": uv})
    assert done.process.returncode == 2
    assert not done.is_ready


def test_uv_of_the_index_installs(tmp_path: Path) -> None:
    done = setup_with_python(tmp_path)
    assert done.process.returncode == 0, done.process.stderr
    assert done.calls[-2:] == [
        f"uv pip install --python .venv/bin/python {PACKAGES}",
        "uv pip install --python .venv/bin/python --no-build-isolation --no-deps -e .",
    ]
    assert done.is_ready
    env = tmp_path / "project/.venv"
    assert (env / "ready").read_text().strip() == str(tmp_path / "project")
    line = (env / "lib/python3.12/site-packages/mxnet_import.pth").read_text()
    assert line.startswith("import ")  # other lines of such a file are paths
    assert "tools.mxnet_import" in line


def test_group_is_installed_beside_what_every_environment_has(tmp_path: Path) -> None:
    done = setup_with_python(tmp_path, "bench")
    assert done.calls[-2].endswith(f"{PACKAGES} --group bench")
    assert (tmp_path / "project/.venv/bench").exists()
    assert done.is_ready


@pytest.mark.parametrize("group", ["nonsense", "te", "test, bench"])
def test_unknown_group_is_one_line_with_those_there_are(tmp_path: Path, group: str) -> None:
    done = setup_with_python(tmp_path, group)
    assert done.process.returncode == 1
    assert done.process.stderr == (
        f"Error: GROUP={group}: there is no such group; there is run, onnx, train, bench, test\n"
    )
    assert (done.process.stdout, done.calls) == ("", [])


def test_make_asks_the_set_up_for_any_group(tmp_path: Path) -> None:
    copy_makefile(tmp_path)
    write_program(tmp_path / "scripts/setup.sh", "echo group $1; exit 1")
    done = subprocess.run(
        ["make", "--no-print-directory", "setup", "GROUP=nonsense"],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.stdout == "group nonsense\n"


def test_other_settings_of_the_project_ask_no_index(tmp_path: Path) -> None:
    setup_with_python(tmp_path)
    pyproject = tmp_path / "project/pyproject.toml"

    def calls_after(old: str, new: str) -> list[str]:
        (tmp_path / "calls").unlink()
        text = pyproject.read_text()
        assert old in text
        pyproject.write_text(text.replace(old, new))
        done = set_up_again(tmp_path)
        assert done.is_ready
        return [call for call in done.calls if call.startswith("uv pip install")]

    [ours] = calls_after("line-length = 100", "line-length = 99")
    assert ours.endswith("--no-build-isolation --no-deps -e .")
    packages, ours = calls_after('"mxnet==1.9.1"', '"mxnet==1.9.2"')
    assert packages.endswith(PACKAGES)


@pytest.mark.parametrize(("uv", "uv_run"), [(UV_IS_MISSING, ""), (UV_IS_THERE, "exit 2")])
def test_pip_installs_where_uv_cannot(tmp_path: Path, uv: str, uv_run: str) -> None:
    done = setup_with_python(tmp_path, uv=uv, uv_run=uv_run)
    assert done.process.returncode == 0, done.process.stderr
    assert done.process.stdout.splitlines()[-1] == (
        "uv cannot install from the index that pip is set up for; pip installs, which takes longer."
    )
    assert done.calls[-1].endswith("install --no-build-isolation --no-deps -e .")
    assert done.calls[-2].endswith(f"install {PACKAGES}")
    assert done.is_ready


@pytest.mark.parametrize("at", ["uv", "pip"])
def test_no_network_is_one_line(tmp_path: Path, at: str) -> None:
    programs = {"uv": OFFLINE} if at == "uv" else {"uv": UV_IS_MISSING, "pip": OFFLINE}
    done = setup_with_python(tmp_path, **programs)
    assert done.process.returncode == 1
    assert done.process.stderr.count("\n") == 1
    assert done.process.stderr.startswith(
        "Error: the package index cannot be reached (Temporary failure in name resolution):"
    )
    assert "Traceback" not in done.process.stdout
    assert not done.is_ready


def test_pip_that_fails_is_one_line_with_its_last_error(tmp_path: Path) -> None:
    done = setup_with_python(tmp_path, uv=UV_IS_MISSING, pip=PIP_FAILS)
    assert done.process.returncode == 1
    assert done.process.stderr == (
        "Error: pip cannot install the packages: no wheel fits (.venv/setup.log has all of it)\n"
    )
    assert not done.is_ready


def test_pip_settings_are_those_that_count_for_install() -> None:
    lines = [
        ":env:.index-url='https://from.environment/simple'",
        "global.index-url='https://from.file/simple'",
        "global.extra-index-url='\\nhttps://one/simple\\nfile:///two'",
        "install.trusted-host='one'",
        "download.trusted-host='elsewhere'",
        """global.proxy="http://it's:1\"""",
    ]
    assert pip_settings(lines) == {
        "index-url": "https://from.environment/simple",
        "extra-index-url": "\nhttps://one/simple\nfile:///two",
        "trusted-host": "one",
        "proxy": "http://it's:1",
    }


def test_uv_gets_the_settings_of_pip() -> None:
    pip = {
        "index-url": "https://mirror/simple",
        "extra-index-url": "\nhttps://one/simple\nfile:///two",
        "find-links": "/wheels /more",
        "trusted-host": "mirror one",
        "cert": "~/ca.pem",
        "default-timeout": "180",
        "constraint": "/etc/constraints.txt",
    }
    assert uv_settings(pip, {}) == {
        "UV_DEFAULT_INDEX": "https://mirror/simple",
        "UV_EXTRA_INDEX_URL": "https://one/simple file:///two",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_FIND_LINKS": "/wheels,/more",
        "UV_INSECURE_HOST": "mirror one",
        "SSL_CERT_FILE": str(Path("~/ca.pem").expanduser()),
        "UV_HTTP_TIMEOUT": "180",
        "UV_CONSTRAINT": "/etc/constraints.txt",
    }


def test_uv_asks_no_index_where_pip_does_not() -> None:
    assert uv_settings({"no-index": "true", "cert": "/ca"}, {})["UV_OFFLINE"] == "true"


def test_uv_trusts_the_certificates_of_the_system() -> None:
    assert uv_settings({}, {}) == {"UV_SYSTEM_CERTS": "true"}


@pytest.mark.parametrize("variable", ["UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX"])
def test_settings_of_uv_itself_stay(variable: str) -> None:
    environment = {variable: "https://own/simple", "SSL_CERT_FILE": "/own.pem"}
    assert uv_settings({"index-url": "https://pip/simple", "cert": "/pip.pem"}, environment) == {}


def test_missing_group_is_installed_when_needed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "scripts").mkdir()
    write_program(
        tmp_path / "scripts/setup.sh", f"echo \"X = '$1'\" > {tmp_path}/needed_when_asked.py"
    )
    monkeypatch.setattr(packages, "ROOT", tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    packages.require("train", "needed_when_asked")
    import needed_when_asked

    assert needed_when_asked.X == "train"
    packages.require("no_such_group", "needed_when_asked")  # it is there: nothing happens


# Modules that the group "run" does not bring.
OTHERS = ("aiohttp", "hypothesis", "matplotlib", "onnx", "onnxruntime", "openvino", "PIL")
OTHERS += ("playwright", "pytest", "scipy", "sklearn")
COMMANDS = [
    *(f"tools.model.commands.{module}" for module, _ in model_cli.COMMANDS.values()),
    *("tools.batch.cli", "tools.deploy.cli", "tools.deploy.local_command", "tools.deploy.model"),
    *("tools.docs.contract", "tools.local.cli", "tools.local.stack", "tools.model.train_demo"),
    *("tools.checks.apigateway", "tools.checks.build", "tools.checks.sam_local"),
    *("tools.model.fetch", "tools.uploads.cli"),
]


def test_commands_start_with_what_every_environment_has() -> None:
    code = (
        "import importlib, sys\n"
        f"sys.modules.update(dict.fromkeys({OTHERS!r}))\n"  # importing one of them fails
        f"for name in {COMMANDS!r}: importlib.import_module(name)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr


def test_group_that_cannot_be_installed_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "scripts").mkdir()
    write_program(tmp_path / "scripts/setup.sh", "exit 1")
    monkeypatch.setattr(packages, "ROOT", tmp_path)
    with pytest.raises(ToolError, match="no_such_module cannot be installed"):
        packages.require("train", "no_such_module")


def copy_makefile(folder: Path) -> None:
    """Copy the Makefile, and make the files that every set-up needs."""
    shutil.copy(ROOT / "Makefile", folder)
    (folder / "scripts").mkdir()
    for name in ("pyproject.toml", "constraints.txt", "src/requirements.txt"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()


def make_run(folder: Path, port: str) -> "subprocess.CompletedProcess[str]":
    """`make run` in a clone whose set-up would leave a file, ``was-set-up``."""
    copy_makefile(folder)
    shutil.copy(ROOT / "scripts/free_port.sh", folder / "scripts")
    write_program(folder / "scripts/setup.sh", "/bin/touch was-set-up; exit 1")
    return subprocess.run(
        ["make", "run"], cwd=folder, env={**os.environ, "PORT": port},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_port_in_use_is_told_before_the_set_up(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = make_run(tmp_path, str(port))
    message = f"Error: PORT={port}: Address already in use; choose another with PORT="
    assert message in done.stderr.splitlines()
    assert not (tmp_path / "was-set-up").exists()


@pytest.mark.parametrize("port", ["abc", "0", "65536", "3000x", "08080808", " "])
def test_wrong_port_is_told_before_the_set_up(tmp_path: Path, port: str) -> None:
    done = make_run(tmp_path, port)
    assert f"Error: PORT={port}: it should be a number from 1 to 65535" in done.stderr.splitlines()
    assert not (tmp_path / "was-set-up").exists()


def test_free_port_leads_to_the_set_up(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    make_run(tmp_path, str(port))
    assert (tmp_path / "was-set-up").exists()


def test_mxnet_can_be_imported_plainly() -> None:
    code = (
        "import tools.mxnet_import, mxnet as mx; from mxnet.gluon.model_zoo import vision;"
        " print(mx.nd.ones(2).sum().asscalar(), vision.resnet18_v1.__name__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.stdout, done.stderr) == ("2.0 resnet18_v1\n", "")
