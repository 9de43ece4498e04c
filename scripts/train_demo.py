#!/usr/bin/env python3
"""Trains the demo network."""

import _environment  # noqa: F401

from tools.model.train_demo import main

if __name__ == "__main__":
    main()
