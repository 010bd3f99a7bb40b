"""`python -m capacity`: the command where the scripts' folder is not on PATH."""

import sys

from capacity.edge.cli import main

if __name__ == "__main__":
    sys.exit(main())
