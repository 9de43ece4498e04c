#!/usr/bin/env python3
"""Classifies S3 objects by the million."""

import sys

from tools.batch.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
