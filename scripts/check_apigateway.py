#!/usr/bin/env python3
"""Checks the API's definition against API Gateway's rules."""

import _environment  # noqa: F401

from tools.checks.apigateway import main

if __name__ == "__main__":
    main()
