"""This file is the command `penstock`, and `python -m penstock`."""

import gc
import sys


def main() -> None:
    """Run the command line."""
    # What is imported from here on stays: to look for garbage among it would only delay the start. `serve` turns it on again.
    gc.disable()
    from penstock.tools.cli import main as run_command

    run_command(prog_name="python -m penstock" if sys.argv[0].endswith("__main__.py") else "penstock")


if __name__ == "__main__":
    main()
