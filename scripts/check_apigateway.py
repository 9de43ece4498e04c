#!/usr/bin/env python3
"""Checks the API's definition against API Gateway's rules."""

from tools.checks.apigateway import main

if __name__ == "__main__":
    main()
