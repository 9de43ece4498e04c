#!/usr/bin/env python3
"""Readies a local S3 for `sam local`."""

import _environment  # noqa: F401

from tools.checks.sam_local import main

if __name__ == "__main__":
    main()
