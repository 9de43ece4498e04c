#!/usr/bin/env python3
"""Deploys to AWS, and takes deployments away."""

import _environment  # noqa: F401

from tools.deploy.cli import cli

if __name__ == "__main__":
    cli()
