"""`python -m modelhub demo NOTEBOOK`: play a notebook in a terminal, answers as they stream."""

from __future__ import annotations

import sys


def main() -> int:
    """Do what the arguments ask; the exit status."""
    if len(sys.argv) == 3 and sys.argv[1] == "demo":
        from modelhub.nbext.demo import play

        return play(sys.argv[2])
    print(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(main())
