#!/usr/bin/env python3
"""Loads an API at a steady rate."""

import _environment  # noqa: F401

from tools.bench.load_command import main

if __name__ == "__main__":
    main()
