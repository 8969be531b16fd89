"""This file is the test of `python -m penstock`."""

import subprocess
import sys


def test_is_the_command_line_and_says_its_name() -> None:
    done = subprocess.run([sys.executable, "-m", "penstock", "--help"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Usage: python -m penstock ")
    assert done.stderr == ""


def test_a_mistake_is_told_without_a_traceback() -> None:
    done = subprocess.run([sys.executable, "-m", "penstock", "nonsense"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
