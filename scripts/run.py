#!/usr/bin/env python3
"""Serves the API on this machine."""

import _environment  # noqa: F401

from tools.local.cli import main

if __name__ == "__main__":
    main()
