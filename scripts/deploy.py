#!/usr/bin/env python3
"""Deploys to AWS, and takes deployments away."""

from tools.deploy.cli import cli

if __name__ == "__main__":
    cli()
