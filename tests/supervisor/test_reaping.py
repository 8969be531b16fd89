"""This file is the test of reaping as process 1: the children of others, and never one of ours."""

import os
import subprocess
import sys

import pytest

from penstock.supervisor import reaping
from penstock.supervisor.reaping import Reaper, inherits_orphans

# The process becomes one that inherits orphans, as process 1 of a container does: PR_SET_CHILD_SUBREAPER is 36.
SUBREAPER = "import ctypes; ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)\n"
# A child starts a grandchild and ends; the grandchild ends, too, and belongs to us from then on.
ORPHAN = """
import os, subprocess, sys

def orphan():
    read, write = os.pipe()
    child = os.fork()
    if not child:
        grandchild = os.fork()
        if grandchild:
            os.write(write, b"%d" % grandchild)
        os._exit(0)
    os.waitpid(child, 0)
    return int(os.read(read, 20))

def wait_dead(process):
    os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT)
"""
PROGRAM = """
from penstock.supervisor.reaping import Reaper, inherits_orphans

assert inherits_orphans()
now = 0.0
ours = subprocess.Popen([sys.executable, "-ISc", "raise SystemExit(7)"])
borrowed = subprocess.Popen([sys.executable, "-ISc", "raise SystemExit(8)"])
foreign = orphan()
for process in (ours.pid, borrowed.pid, foreign):
    wait_dead(process)

reaper = Reaper(lambda process: process == ours.pid, patience=5, clock=lambda: now)
assert reaper.reap() == 5
assert reaper.total == 0
now = 2.0
assert reaper.reap() == 3
assert borrowed.wait() == 8
now = 5.0
assert reaper.reap() is None
assert reaper.total == 1
try:
    os.waitpid(foreign, os.WNOHANG)
except ChildProcessError:
    pass
else:
    raise AssertionError("the orphan is still there")
assert ours.wait() == 7
print("done")
"""
WITHOUT_PROC = """
from penstock.supervisor import reaping

def refuse(*_):
    raise FileNotFoundError

reaping._children_of = refuse
orphans = [orphan() for _ in range(3)]
for process in orphans:
    wait_dead(process)
reaper = reaping.Reaper(lambda process: False, patience=0)
for _ in orphans:
    reaper.reap()
print(reaper.total, reaper.reap())
"""


def run(*arguments: str) -> str:
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=60)
    return done.stdout + done.stderr


def can_unshare() -> bool:
    return (
        not run("unshare", "--pid", "--fork", "--mount-proc", "true") if os.path.exists("/usr/bin/unshare") else False
    )


class TestReaper:
    def test_pid_1_reaps_orphans_and_leaves_our_own_to_their_owner(self) -> None:
        prefix = ["unshare", "--pid", "--fork", "--mount-proc"] if can_unshare() else []
        program = ORPHAN + PROGRAM if prefix else SUBREAPER + ORPHAN + PROGRAM
        assert run(*prefix, sys.executable, "-c", program) == "done\n"

    def test_a_subreaper_does_the_same(self) -> None:
        assert run(sys.executable, "-c", SUBREAPER + ORPHAN + PROGRAM) == "done\n"

    def test_without_proc_it_is_done_one_after_the_other(self) -> None:
        assert run(sys.executable, "-c", SUBREAPER + ORPHAN + WITHOUT_PROC) == "3 None\n"

    def test_children_that_live_are_left(self) -> None:
        with subprocess.Popen([sys.executable, "-ISc", "input()"], stdin=subprocess.PIPE) as child:
            reaper = Reaper(lambda process: False, patience=0)
            assert reaper.reap() is None
            assert child.poll() is None
            assert reaper.total == 0

    def test_one_that_its_owner_has_waited_for_is_not_missed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        gone = subprocess.Popen([sys.executable, "-ISc", ""])
        gone.wait()
        monkeypatch.setattr(reaping, "_children", lambda: [gone.pid])
        assert Reaper(lambda process: False, patience=0).reap() is None

    def test_an_ordinary_process_inherits_nobody(self) -> None:
        assert not inherits_orphans()
