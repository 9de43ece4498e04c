#!/usr/bin/env python3
"""Checks what `sam build` made."""

import _environment  # noqa: F401

from tools.checks.build import main

if __name__ == "__main__":
    main()
