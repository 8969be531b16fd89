"""This file is `python -m penstock`: the command line."""

from penstock.tools.cli import main

if __name__ == "__main__":
    main(prog_name="python -m penstock")
