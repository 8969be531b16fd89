"""This file is a control socket in a thread of its own, for commands that are called in the other."""

import asyncio
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from click.testing import CliRunner, Result

from penstock.tools.cli import main
from tests.supervisor.control_subject import Subject, control_of

PATIENCE = 30


@contextmanager
def controlled(subject: Subject) -> Iterator[str]:
    """Serve the control socket of `subject` while the block lasts; its path."""
    started: threading.Event = threading.Event()
    loop = asyncio.new_event_loop()
    ended = asyncio.Event()

    async def serve(folder: Path) -> None:
        async with control_of(subject, folder):
            started.set()
            await ended.wait()

    with tempfile.TemporaryDirectory() as name:
        thread = threading.Thread(target=lambda: loop.run_until_complete(serve(Path(name))))
        thread.start()
        try:
            assert started.wait(PATIENCE)
            yield f"{name}/control.sock"
        finally:
            loop.call_soon_threadsafe(ended.set)
            thread.join(PATIENCE)
            loop.close()


def command(*words: str, subject: Subject | None = None) -> Result:
    """What `penstock` with these words does to the server of `subject`."""
    with controlled(subject or Subject()) as path:
        return CliRunner(env={"PENSTOCK_CONTROL": path}).invoke(main, words)


def printed(*words: str, subject: Subject | None = None) -> str:
    """What a command prints that succeeds."""
    result = command(*words, subject=subject)
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


def refused(*words: str, subject: Subject | None = None) -> str:
    """What a command says that is refused."""
    result = command(*words, subject=subject)
    assert (result.exit_code, result.stdout) == (1, "")
    return result.stderr
