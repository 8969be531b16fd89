"""`wsgi.errors`, PEP 3333 section "Input and Error Streams"."""

import threading

import pytest

from penstock.pipeline_gateways.wsgi_errors import ErrorLog


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "penstock.wsgi"]


def test_each_line_is_a_record(caplog: pytest.LogCaptureFixture) -> None:
    errors = ErrorLog()
    assert errors.write("one\ntwo\n") == 8
    errors.writelines(["three\n", "four\n"])
    assert lines(caplog) == ["one", "two", "three", "four"]


def test_print_makes_one_line_of_its_parts(caplog: pytest.LogCaptureFixture) -> None:
    print("a", 1, file=ErrorLog())
    assert lines(caplog) == ["a 1"]


def test_a_line_without_end_waits_for_flush(caplog: pytest.LogCaptureFixture) -> None:
    errors = ErrorLog()
    errors.write("half")
    assert lines(caplog) == []
    errors.flush()
    errors.flush()
    assert lines(caplog) == ["half"]


def test_empty_lines_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    ErrorLog().write("\n  \none\n\n")
    assert lines(caplog) == ["one"]


def test_threads_do_not_mix_their_lines(caplog: pytest.LogCaptureFixture) -> None:
    errors = ErrorLog()
    errors.write("mine ")
    thread = threading.Thread(target=errors.write, args=("theirs\n",))
    thread.start()
    thread.join()
    errors.write("too\n")
    assert lines(caplog) == ["theirs", "mine too"]
