#!/usr/bin/env python3
"""Writes what the function serves of openapi.yaml."""

from tools.docs.contract import main

if __name__ == "__main__":
    main()
