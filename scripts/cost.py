#!/usr/bin/env python3
"""Writes what a million images cost."""

import _environment  # noqa: F401

from tools.bench.cost import main

if __name__ == "__main__":
    main()
