#!/usr/bin/env python3
"""Makes, judges and publishes model bundles."""

import _environment  # noqa: F401

from tools.model.cli import cli

if __name__ == "__main__":
    cli()
