"""``python -m einbackprop``: the same as the ``einbackprop`` command."""

import sys

from einbackprop.shell.command import main

if __name__ == "__main__":
    sys.exit(main())
