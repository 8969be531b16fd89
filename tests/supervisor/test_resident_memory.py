"""This file is the test of how much memory a process is found to hold."""

import os
import subprocess
import sys

import pytest

from penstock.supervisor.resident_memory import find_resident_memory

MEGABYTE = 1024 * 1024


class TestResidentMemory:
    def test_this_process(self) -> None:
        before = find_resident_memory()
        assert before is not None
        assert 5 * MEGABYTE < before < 5000 * MEGABYTE
        assert find_resident_memory(os.getpid()) is not None

    def test_what_is_taken_is_seen(self) -> None:
        before = find_resident_memory()
        taken = b"x" * (64 * MEGABYTE)
        after = find_resident_memory()
        assert before is not None
        assert after is not None
        assert after - before > 50 * MEGABYTE
        assert taken

    def test_another_process(self) -> None:
        with subprocess.Popen([sys.executable, "-ISc", "input()"], stdin=subprocess.PIPE) as child:
            assert find_resident_memory(child.pid)
        assert find_resident_memory(child.pid) is None

    def test_elsewhere_only_the_peak_of_this_process_is_known(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "platform", "darwin")
        assert find_resident_memory()
        assert find_resident_memory(1) is None
