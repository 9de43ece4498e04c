#!/usr/bin/env python3
"""Shows what became of uploads, and tries them before a deploy."""

import _environment  # noqa: F401

from tools.uploads.cli import cli

if __name__ == "__main__":
    cli()
