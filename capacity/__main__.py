"""`python -m capacity`: the command where the scripts' folder is not on PATH."""

from __future__ import annotations

import sys

from capacity.cli import main

if __name__ == "__main__":
    sys.exit(main())
