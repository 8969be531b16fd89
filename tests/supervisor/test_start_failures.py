"""Why a worker did not get ready, for the command line and for the log."""

import pytest

from penstock.errors import ConfigurationError, StartupError
from penstock.supervisor.messages import Failed
from penstock.supervisor.start_failures import StartFailed, failure_of, in_a_line
from tests.supervisor.on_loop import on_loop
from tests.supervisor.pool_subject import Scripted


def worker() -> Scripted:
    """One that has not got ready."""
    return Scripted(3, pool="reports", slot=0, generation=1)


@on_loop
async def test_mistakes_are_those_of_the_site_file() -> None:
    failed = worker()
    failed.failure = Failed(code=2, problems=(("there is no module shop", "penstock.toml:9"),))
    error = failure_of(failed)
    assert "worker 3 of pool reports (pid 0) failed to start:\npenstock.toml:9" in str(error)
    told = error.for_operator()
    assert isinstance(told, ConfigurationError)
    assert [(each.message, each.where) for each in told.problems] == [("there is no module shop", "penstock.toml:9")]


@on_loop
async def test_a_traceback_is_told_as_it_is() -> None:
    failed = worker()
    failed.failure = Failed(code=3, traceback="Traceback:\n  app.py\nOSError: no database\n")
    error = failure_of(failed)
    assert str(error).endswith("OSError: no database")
    told = error.for_operator()
    assert isinstance(told, StartupError)
    assert str(told) == "Traceback:\n  app.py\nOSError: no database"


@on_loop
async def test_one_that_ended_without_a_word_is_told_by_its_end() -> None:
    failed = worker()
    failed.exit_code = -11
    error = failure_of(failed)
    assert str(error) == "worker 3 of pool reports (pid 0) was ended by SIGSEGV before it was ready"
    assert isinstance(error.for_operator(), StartupError)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("worker 3 was ended by SIGKILL", "worker 3 was ended by SIGKILL"),
        ("worker 3 failed to start:\nTraceback:\n  app.py\nOSError: no", "worker 3 failed to start: OSError: no"),
    ],
)
def test_what_counts_in_a_line(text: str, line: str) -> None:
    assert in_a_line(text) == line


def test_without_a_failure_it_is_its_text() -> None:
    assert str(StartFailed("too late").for_operator()) == "too late"
