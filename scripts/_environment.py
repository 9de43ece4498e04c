"""Runs a command in the project's environment, whichever Python it was started with.

Every command imports this module first. It is written for any Python.
"""
# ruff: noqa: PLC0415, PTH110, PTH118, PTH119, PTH120, RUF005, S606

import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
PREFIX = os.path.join(ROOT, ".venv")
OURS = ("app", "classifier", "tools")
# Groups of pyproject.toml with what a script needs besides the group "run". "test" has most.
GROUPS = {"bench.py": "bench", "load.py": "bench"}


def is_environment():
    """Whether this Python has this folder's tools, not those of a folder it was copied from."""
    if sys.version_info[:2] != (3, 12):
        return False
    from importlib.util import find_spec

    tools = find_spec("tools")
    folders = tools.submodule_search_locations if tools else ()
    return os.path.join(ROOT, "tools") in map(os.path.realpath, folders) and find_spec("click")


def show(kind, error, trace):
    """Show Ctrl-C and a package that is missing as one line, other errors as Python does."""
    if issubclass(kind, KeyboardInterrupt):
        sys.stderr.write("Error: interrupted\n")
    elif issubclass(kind, ImportError) and error.name and error.name.split(".")[0] not in OURS:
        group = GROUPS.get(os.path.basename(sys.argv[0]), "test")
        message = "Error: .venv lacks %s: run `make setup GROUP=%s`\n"
        sys.stderr.write(message % (error.name, group))
    else:
        sys.__excepthook__(kind, error, trace)


if not is_environment():
    python = os.path.join(PREFIX, "bin", "python")
    if os.path.realpath(sys.prefix) == os.path.realpath(PREFIX):
        sys.exit("Error: .venv is incomplete, or was made for another folder: run `make setup`")
    if not os.path.exists(python):
        sys.exit("Error: there is no environment here yet: run `make setup`, which makes .venv")
    os.execv(python, [python] + sys.argv)
sys.excepthook = show
