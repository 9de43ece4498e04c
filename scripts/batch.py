#!/usr/bin/env python3
"""Classifies S3 objects by the million."""

import _environment  # noqa: F401

from tools.batch.cli import cli

if __name__ == "__main__":
    cli()
