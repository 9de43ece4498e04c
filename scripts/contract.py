#!/usr/bin/env python3
"""Writes what is made of openapi.yaml."""

import _environment  # noqa: F401

from tools.docs.contract import main

if __name__ == "__main__":
    main()
