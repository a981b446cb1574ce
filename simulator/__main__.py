"""`python -m simulator`."""

import sys

if __name__ == "__main__":
    try:
        from simulator.cli import main

        main()
    except KeyboardInterrupt:  # while it was being loaded
        sys.exit(130)
