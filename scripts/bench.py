#!/usr/bin/env python3
"""Measures everything side by side."""

import _environment  # noqa: F401

from tools.bench.cli import main

if __name__ == "__main__":
    main()
