"""This file is the test of signals that are remembered and that end a wait."""

import os
import pty
import signal
import subprocess
import sys

from penstock.supervisor.signals import CaughtSignals

LONG = 3600


class TestCaughtSignals:
    def test_a_signal_is_remembered_and_ends_the_wait(self) -> None:
        with CaughtSignals() as signals:
            os.kill(os.getpid(), signal.SIGTERM)
            signals.pause(LONG)
            assert signals.received == [signal.SIGTERM]
            assert not signals.came_from_terminal

    def test_the_end_of_a_child_ends_the_wait(self) -> None:
        with CaughtSignals() as signals:
            with subprocess.Popen([sys.executable, "-ISc", ""]) as child:
                signals.pause(LONG)
                assert child.wait() == 0
            assert signals.received == []

    def test_handlers_are_put_back(self) -> None:
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)
        before = [signal.getsignal(number) for number in numbers]
        with CaughtSignals():
            assert [signal.getsignal(number) for number in numbers] != before
        assert [signal.getsignal(number) for number in numbers] == before
        assert signal.set_wakeup_fd(-1) == -1

    def test_ctrl_c_in_a_terminal_is_known_as_such(self) -> None:
        program = (
            "from penstock.supervisor.signals import CaughtSignals\n"
            "with CaughtSignals() as signals:\n"
            "    print('ready', flush=True)\n"
            "    signals.pause(60)\n"
            "    print(signals.came_from_terminal, flush=True)\n"
        )
        ours, theirs = pty.openpty()
        become_foreground = "import fcntl, os, termios\nos.setsid()\nfcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
        arguments = [sys.executable, "-c", become_foreground + program]
        with subprocess.Popen(arguments, stdin=theirs, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
            os.write(ours, b"\x03")
            assert child.stdout.readline() == "True\n"
        os.close(ours)
        os.close(theirs)
