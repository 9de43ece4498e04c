#!/usr/bin/env python3
"""Checks what `sam build` made."""

from tools.checks.build import main

if __name__ == "__main__":
    main()
