#!/usr/bin/env python3
"""Measures everything side by side."""

from tools.bench.cli import main

if __name__ == "__main__":
    main()
