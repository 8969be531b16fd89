"""A process that is stuck ends some time after whoever was at the other end of its channel; a healthy one before."""

import socket
import subprocess
import sys

import pytest

PROGRAM = """
import socket, sys, time
from penstock.supervisor.orphaned import end_with_supervisor

end_with_supervisor(socket.socket(fileno=int(sys.argv[1])), float(sys.argv[2]))
print("stuck", flush=True)
end = time.monotonic() + 20
while time.monotonic() < end:
    pass
"""


@pytest.mark.parametrize("message", [b"", b"a message that nobody reads"])
def test_a_stuck_process_ends_when_its_supervisor_has_gone(message: bytes) -> None:
    ours, theirs = socket.socketpair()
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(theirs.fileno()), "0.1"],
        pass_fds=[theirs.fileno()],
        stdout=subprocess.PIPE,
        text=True,
    )
    theirs.close()
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "stuck\n"
        ours.sendall(message)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.3)
        ours.close()
        assert process.wait(10) == 1
