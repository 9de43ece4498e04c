#!/usr/bin/env python3
"""Takes the screenshots of the page."""

from tools.docs.screenshots import main

if __name__ == "__main__":
    main()
