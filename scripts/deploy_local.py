#!/usr/bin/env python3
"""Deploys to an AWS account on this machine."""

import _environment  # noqa: F401

from tools.deploy.local_command import main

if __name__ == "__main__":
    main()
