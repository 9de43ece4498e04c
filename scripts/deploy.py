#!/usr/bin/env python3
"""Deploys to AWS, and takes deployments away."""

import sys

from tools.deploy.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
