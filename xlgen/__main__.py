"""``python -m xlgen``: the command line."""

import sys

from xlgen.cli import main

if __name__ == "__main__":
    sys.exit(main())
