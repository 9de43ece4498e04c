#!/usr/bin/env python3
"""Serves the API on this machine."""

from tools.local.cli import main

if __name__ == "__main__":
    main()
