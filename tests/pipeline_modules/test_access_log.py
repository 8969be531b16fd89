"""This file is the test of where the lines of the access log go, and that no request is hurt when they cannot."""

import io
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.errors import ConfigurationError
from penstock.pipeline_modules.access_log import FLUSH_AT, KEPT, AccessLogFile, AccessRecord, open_access_log


def target(record: AccessRecord) -> str:
    return record[2].decode("ascii")


def record(name: str) -> AccessRecord:
    return None, "GET", name.encode("ascii"), "1.1", 200, 0, 0.0, [], [], 0.0, ""


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [entry.getMessage() for entry in caplog.records if entry.name == "penstock.access_log"]


class TestFile:
    def test_records_wait_until_flush(self, tmp_path: Path) -> None:
        path = tmp_path / "access.log"
        log = AccessLogFile(str(path), target)
        log.write(record("/a"))
        log.write(record("/b"))
        assert path.read_text() == ""
        log.flush()
        assert path.read_text() == "/a\n/b\n"
        log.flush()
        log.write(record("/c"))
        log.close()
        assert path.read_text() == "/a\n/b\n/c\n"
        assert log.lost == 0

    def test_many_records_do_not_wait(self, tmp_path: Path) -> None:
        path = tmp_path / "access.log"
        log = AccessLogFile(str(path), target)
        for number in range(FLUSH_AT):
            log.write(record(f"/{number}"))
        assert len(path.read_text().splitlines()) == FLUSH_AT
        log.close()

    def test_appends_to_what_is_there(self, tmp_path: Path) -> None:
        path = tmp_path / "access.log"
        path.write_text("before\n")
        log = AccessLogFile(str(path), target)
        log.write(record("/a"))
        log.close()
        assert path.read_text() == "before\n/a\n"

    def test_a_file_that_was_moved_is_made_anew_and_no_line_is_lost(self, tmp_path: Path) -> None:
        path = tmp_path / "access.log"
        log = AccessLogFile(str(path), target)
        log.write(record("/a"))
        log.flush()
        log.write(record("/b"))
        path.rename(tmp_path / "access.log.1")
        log.reopen()
        log.write(record("/c"))
        log.close()
        assert (tmp_path / "access.log.1").read_text() == "/a\n/b\n"
        assert path.read_text() == "/c\n"

    def test_a_new_file_that_cannot_be_opened_leaves_the_old_one(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        path = tmp_path / "logs" / "access.log"
        path.parent.mkdir()
        log = AccessLogFile(str(path), target)
        path.parent.rename(tmp_path / "moved")
        log.reopen()
        log.write(record("/a"))
        log.close()
        log.reopen()
        assert (tmp_path / "moved" / "access.log").read_text() == "/a\n"
        assert said(caplog) == [f"the access log {path} cannot be opened again: No such file or directory"]

    def test_a_stream_stays(self) -> None:
        stream = io.StringIO()
        log = AccessLogFile(stream, target)
        log.reopen()
        log.write(record("/a"))
        log.close()
        assert stream.getvalue() == "/a\n"

    def test_a_file_that_cannot_be_opened_is_a_mistake_of_the_configuration(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError) as caught:
            AccessLogFile(str(tmp_path / "missing" / "access.log"), target, where="site.toml:4")
        assert str(caught.value.problems[0]) == (
            f"site.toml:4: the access log {tmp_path}/missing/access.log cannot be opened: No such file or directory"
        )

    def test_a_full_disk_is_said_once_and_its_end_too(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "access.log"
        log = AccessLogFile(str(path), target)

        def full(descriptor: int, piece: bytes) -> int:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(os, "write", full)
            for name in ("/a", "/b", "/c"):
                log.write(record(name))
                log.flush()
        log.write(record("/d"))
        log.close()
        assert path.read_text() == "/d\n"
        assert log.lost == 3
        assert said(caplog) == [
            "the access log cannot be written (No space left on device): lines are dropped until it can",
            "the access log is written again; 3 lines were lost so far",
        ]


class TestPipe:
    @pytest.fixture
    def pipe(self) -> Iterator[tuple[int, io.TextIOWrapper]]:
        read_end, write_end = os.pipe()
        with os.fdopen(write_end, "w") as stream:
            yield read_end, stream
        os.close(read_end)

    def test_lines_arrive(self, pipe: tuple[int, io.TextIOWrapper]) -> None:
        read_end, stream = pipe
        log = AccessLogFile(stream, target)
        log.write(record("/a"))
        log.close()
        assert os.read(read_end, 100) == b"/a\n"
        assert not stream.closed

    def test_a_slow_reader_is_not_waited_for_and_loses_nothing_that_is_kept(
        self, pipe: tuple[int, io.TextIOWrapper]
    ) -> None:
        read_end, stream = pipe
        log = AccessLogFile(stream, target)
        sent = [f"/{number:05d}{'x' * 94}" for number in range(10_000)]
        for name in sent:
            log.write(record(name))
        log.flush()
        received = b""
        while received.count(b"\n") < len(sent):
            received += os.read(read_end, 65536)
            log.flush()
        assert received.decode().split() == sent
        assert log.lost == 0

    def test_a_reader_that_never_reads_costs_lines_and_bounded_memory(
        self, pipe: tuple[int, io.TextIOWrapper], caplog: pytest.LogCaptureFixture
    ) -> None:
        read_end, stream = pipe
        log = AccessLogFile(stream, lambda _: "x" * 999)
        count = 3 * KEPT // 1000
        for _ in range(count):
            log.write(record("/"))
        log.flush()
        assert len(log._unwritten) < KEPT + FLUSH_AT * 1000
        assert log.lost > KEPT // 1000
        assert len(said(caplog)) == 1
        assert "nobody reads it" in said(caplog)[0]
        arrived = len(os.read(read_end, 1_000_000))
        log.close()
        arrived += len(os.read(read_end, 1_000_000))
        assert log.lost + arrived // 1000 == count

    def test_a_reader_that_has_gone(self, caplog: pytest.LogCaptureFixture) -> None:
        read_end, write_end = os.pipe()
        os.close(read_end)
        with os.fdopen(write_end, "w") as stream:
            log = AccessLogFile(stream, target)
            for _ in range(3):
                log.write(record("/a"))
                log.flush()
            log.close()
        assert log.lost == 3
        assert said(caplog) == ["the access log cannot be written (Broken pipe): lines are dropped until it can"]


class TestStream:
    def test_a_stream_in_memory(self) -> None:
        stream = io.StringIO()
        log = AccessLogFile(stream, target)
        log.write(record("/a"))
        log.flush()
        assert stream.getvalue() == "/a\n"
        log.close()
        assert not stream.closed

    def test_a_stream_that_was_closed(self, caplog: pytest.LogCaptureFixture) -> None:
        stream = io.StringIO()
        log = AccessLogFile(stream, target)
        stream.close()
        log.write(record("/a"))
        with caplog.at_level(logging.WARNING):
            log.close()
        assert log.lost == 1
        assert len(said(caplog)) == 1


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class TestOpen:
    def line(self, monkeypatch: pytest.MonkeyPatch, text: str, *, stream: io.StringIO | None = None) -> str:
        stream = stream or io.StringIO()
        monkeypatch.setattr(sys, "stdout", stream)
        log = open_access_log("", text)
        log.write(record("/a"))
        log.close()
        return stream.getvalue()

    @pytest.fixture(autouse=True)
    def plain(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("NO_COLOR", raising=False)
        monkeypatch.setenv("TERM", "xterm")

    def test_readable_and_coloured_on_a_terminal(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert "\x1b[32m200\x1b[0m" in self.line(monkeypatch, "auto", stream=Terminal())

    @pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
    def test_without_colour_where_nobody_wants_it(self, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
        monkeypatch.setenv(name, value)
        shown = self.line(monkeypatch, "auto", stream=Terminal())
        assert "  200  GET " in shown
        assert "\x1b" not in shown

    def test_combined_elsewhere(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert '"GET /a HTTP/1.1" 200 - "-" "-"' in self.line(monkeypatch, "auto")

    def test_a_format_that_was_asked_for_is_kept(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.line(monkeypatch, "%(m)s", stream=Terminal()) == "GET\n"

    def test_a_file(self, tmp_path: Path) -> None:
        path = tmp_path / "access.log"
        log = open_access_log(str(path), "%(m)s")
        log.write(record("/a"))
        log.close()
        assert path.read_text() == "GET\n"

    def test_an_unknown_format_is_refused(self) -> None:
        with pytest.raises(ConfigurationError):
            open_access_log("", "jsn")
