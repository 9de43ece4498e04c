#!/usr/bin/env python3
"""Takes the screenshots of the page."""

import _environment  # noqa: F401

from tools.docs.screenshots import main

if __name__ == "__main__":
    main()
