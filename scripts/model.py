#!/usr/bin/env python3
"""Makes, judges and publishes model bundles."""

import sys

from tools.model.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
