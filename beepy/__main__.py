"""``python -m beepy``, and the console script."""

import sys

from beepy.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
