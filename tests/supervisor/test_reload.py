"""This file is the test of reloading with real processes: what is answered by whom, and that nobody is left behind."""

import http.client
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

# A server that is as simple as can be: it answers with what the module `page` says, one connection after another.
SERVER = """
import os, select, signal, socket, sys
import page

listener = socket.socket(fileno=int(sys.argv[1]))
listener.setblocking(False)
answer = page.text.encode()
head = b"HTTP/1.1 200 OK\\r\\nconnection: close\\r\\ncontent-length: %d\\r\\n\\r\\n" % len(answer)

def stop(number, frame):
    if page.stubborn:
        os.write(2, b"will not stop\\n")
    else:
        sys.exit(0)

signal.signal(signal.SIGTERM, stop)
print("serving", os.getpid(), flush=True)
while True:
    # Told to stop, it leaves in the backlog what it has not accepted.
    select.select([listener], [], [])
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    connection, _ = listener.accept()
    with connection:
        connection.setblocking(True)
        connection.recv(65536)
        connection.sendall(head + answer)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
"""

PARENT = """
import socket, sys
from penstock.supervisor.reload import run

folder, grace = sys.argv[1], float(sys.argv[2])
with socket.create_server(("127.0.0.1", 0)) as listener:
    print("port", listener.getsockname()[1], flush=True)
    arguments = [sys.executable, folder + "/server.py", str(listener.fileno())]
    sys.exit(run(arguments, [listener], directories=[folder], files=[folder + "/site.toml"], grace=grace))
"""

PATIENCE = 30


class Reloading:
    """A parent that reloads, and what it and its children have printed."""

    def __init__(self, folder: Path, *, grace: float) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-c", PARENT, str(folder), str(grace)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            bufsize=1,
            start_new_session=True,
        )
        self.port = int(self.wait_line("port ").split()[1])

    def wait_line(self, beginning: str) -> str:
        assert self.process.stdout is not None
        seen = []
        while line := self.process.stdout.readline():
            seen.append(line)
            if beginning in line:
                return line.strip()
        raise AssertionError(f"no line with {beginning!r} in {seen}")

    def wait_serving(self) -> int:
        return int(self.wait_line("serving ").split()[1])

    def get(self) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request("GET", "/")
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


Start = Callable[..., Reloading]


def write_page(folder: Path, text: str, *, stubborn: bool = False) -> None:
    # As editors do it: a new file takes the place of the old one.
    new = folder / "page.py.new"
    new.write_text(f"text = {text!r}\nstubborn = {stubborn}\n")
    new.replace(folder / "page.py")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[Reloading] = []
    (tmp_path / "server.py").write_text(SERVER)
    write_page(tmp_path, "old")

    def begin(*, grace: float = 10) -> Reloading:
        started.append(Reloading(tmp_path, grace=grace))
        return started[-1]

    yield begin
    for reloading in started:
        reloading.close()


def wait_end(pidfd: int) -> bool:
    return bool(select.select([pidfd], [], [], PATIENCE)[0])


class TestReload:
    def test_new_code_answers_and_the_process_is_another(self, start: Start) -> None:
        reloading = start()
        first = reloading.wait_serving()
        assert reloading.get() == "old"
        write_page(reloading.folder, "new")
        assert "page.py changed: starting anew" in reloading.wait_line("changed")
        second = reloading.wait_serving()
        assert first != second
        assert reloading.get() == "new"

    def test_the_same_second_and_size_are_no_reason_for_old_code(self, start: Start) -> None:
        reloading = start()
        reloading.wait_serving()
        times = (reloading.folder / "page.py").stat().st_mtime_ns
        write_page(reloading.folder, "new")  # as long as "old"
        os.utime(reloading.folder / "page.py", ns=(times, times))
        reloading.wait_serving()
        assert reloading.get() == "new"

    def test_no_request_is_refused_and_those_sent_meanwhile_get_the_new_answer(self, start: Start) -> None:
        reloading = start()
        reloading.wait_serving()
        (reloading.folder / "slow.py").write_text("")
        reloading.wait_serving()
        # The import waits until the requests were sent: they are in the backlog of a server that is not there.
        gate = reloading.folder / "gate"
        os.mkfifo(gate)
        new = reloading.folder / "page.py.new"
        new.write_text(f"open({str(gate)!r}).read()\ntext = 'new'\nstubborn = False\n")
        new.replace(reloading.folder / "page.py")
        reloading.wait_line("changed")
        with gate.open("w"):  # returns when the new process is importing
            sent = []
            for _ in range(20):
                client = socket.create_connection(("127.0.0.1", reloading.port), timeout=PATIENCE)
                client.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
                sent.append(client)
        for client in sent:
            with client, client.makefile("rb") as answer:
                assert answer.read().endswith(b"new")

    def test_steady_traffic_sees_old_then_new_and_no_failure(self, start: Start) -> None:
        reloading = start()
        reloading.wait_serving()
        answers: list[str] = []
        failures: list[Exception] = []
        done = threading.Event()

        def ask() -> None:
            while not done.is_set():
                try:
                    answers.append(reloading.get())
                except Exception as error:
                    failures.append(error)

        asking = threading.Thread(target=ask)
        asking.start()
        write_page(reloading.folder, "new code")
        reloading.wait_serving()
        assert reloading.get() == "new code"
        done.set()
        asking.join()
        assert failures == []
        assert [answer for at, answer in enumerate(answers) if answer != answers[at - 1]] in ([], ["old", "new code"])

    def test_code_that_cannot_be_imported_is_waited_out(self, start: Start) -> None:
        reloading = start()
        reloading.wait_serving()
        (reloading.folder / "page.py").write_text("text = \n")
        reloading.wait_line("SyntaxError")
        said = reloading.wait_line("has ended")
        assert said.endswith("the server has ended with exit code 1; it starts anew when a file changes")
        write_page(reloading.folder, "repaired")
        assert reloading.get() == "repaired"  # sent while nobody serves, perhaps

    def test_the_site_file_counts_although_it_is_no_python(self, start: Start) -> None:
        reloading = start()
        reloading.wait_serving()
        (reloading.folder / "site.toml").write_text("[server]\n")
        assert "site.toml changed" in reloading.wait_line("changed")
        reloading.wait_serving()

    def test_a_child_that_does_not_stop_is_stopped(self, start: Start, tmp_path: Path) -> None:
        write_page(tmp_path, "stubborn", stubborn=True)
        reloading = start(grace=0.2)
        reloading.wait_serving()
        write_page(reloading.folder, "new")
        reloading.wait_line("will not stop")
        reloading.wait_serving()
        assert reloading.get() == "new"


class TestEnd:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    def test_a_signal_stops_both(self, start: Start, number: int) -> None:
        reloading = start()
        child = os.pidfd_open(reloading.wait_serving())
        assert reloading.end(number) == 0
        assert wait_end(child)
        os.close(child)

    def test_a_second_signal_stops_both_at_once(self, start: Start) -> None:
        reloading = start(grace=3600)
        reloading.wait_serving()
        write_page(reloading.folder, "stubborn", stubborn=True)
        child = os.pidfd_open(reloading.wait_serving())
        reloading.process.send_signal(signal.SIGINT)
        reloading.wait_line("will not stop")
        assert reloading.end(signal.SIGINT) == 0
        assert wait_end(child)
        os.close(child)

    def test_a_parent_that_is_killed_leaves_no_orphan(self, start: Start) -> None:
        reloading = start()
        child = os.pidfd_open(reloading.wait_serving())
        assert reloading.end(signal.SIGKILL) == -signal.SIGKILL
        assert wait_end(child)
        os.close(child)

    def test_a_parent_without_a_child_stops_too(self, start: Start) -> None:
        reloading = start()
        reloading.wait_serving()
        (reloading.folder / "page.py").write_text("text = \n")
        reloading.wait_line("has ended")
        assert reloading.end(signal.SIGTERM) == 0
