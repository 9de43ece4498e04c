#!/usr/bin/env python3
"""Loads an API at a steady rate."""

from tools.bench.load_command import main

if __name__ == "__main__":
    main()
