"""The folder of traces: pipeline D-04, at most 50 files of 1 MB, the oldest removed."""

import logging
import stat
from pathlib import Path
from typing import Any

import msgspec
import pytest

from penstock.errors import ConfigurationError
from penstock.server.trace_files import MOST_BYTES, TraceFolder, TraceWriter, encode

ID = "4bf92f3577b34da6a3ce929d0e0e4736"


def record(**changes: Any) -> dict[str, Any]:
    return {
        "version": 1,
        "trace_id": ID,
        "time": "2026-11-20T16:04:12.123456+00:00",
        "seconds": 1.5,
        "method": "GET",
        "path": "/",
        "steps": [{"stage": "BEGIN", "module": "Gate"}],
        "steps_left_out": 0,
        "errors": [],
        **changes,
    }


def at_second(second: int) -> dict[str, Any]:
    return record(time=f"2026-11-20T16:04:{second:02d}.000000+00:00")


class TestSave:
    def test_pipeline_d04_named_after_the_time_it_ended_and_its_trace_id(self, tmp_path: Path) -> None:
        path = TraceFolder(tmp_path).save(record())
        assert path.name == f"20261120T160413.623456Z-{ID}.json"
        assert msgspec.json.decode(path.read_bytes()) == record()

    def test_pipeline_d04_nobody_else_may_read_it(self, tmp_path: Path) -> None:
        path = TraceFolder(tmp_path / "traces").save(record())
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700

    def test_two_of_the_same_moment_and_id(self, tmp_path: Path) -> None:
        folder = TraceFolder(tmp_path)
        paths = [folder.save(record()) for _ in range(3)]
        assert [path.name[24:] for path in paths] == [f"{ID}.json", f"{ID}-2.json", f"{ID}-3.json"]
        assert len(folder.files()) == 3

    def test_pipeline_d04_the_oldest_are_removed(self, tmp_path: Path) -> None:
        folder = TraceFolder(tmp_path, most_files=3)
        paths = [folder.save(at_second(second)) for second in range(5)]
        assert folder.files() == paths[:1:-1]

    def test_what_is_no_trace_is_left_alone(self, tmp_path: Path) -> None:
        folder = TraceFolder(tmp_path, most_files=1)
        (tmp_path / "00000000T000000.notes.txt").write_text("mine", "utf-8")
        for second in range(3):
            folder.save(at_second(second))
        assert len(list(tmp_path.iterdir())) == 2

    def test_one_that_another_process_has_removed_is_no_matter(self, tmp_path: Path) -> None:
        folder = TraceFolder(tmp_path, most_files=1)
        first = folder.save(at_second(1))
        TraceFolder(tmp_path, most_files=1).save(at_second(2))
        assert not first.exists()
        folder.remove_oldest()


class TestSize:
    def test_pipeline_d04_a_megabyte_at_most_tracebacks_go_first(self) -> None:
        errors = [{"type": "ValueError", "message": "no", "traceback": "x" * 600_000}] * 2
        content = encode(record(errors=errors))
        assert len(content) <= MOST_BYTES
        assert msgspec.json.decode(content)["errors"] == [{"type": "ValueError", "message": "no", "traceback": ""}] * 2

    def test_pipeline_d04_then_steps_from_the_middle(self) -> None:
        steps = [{"stage": "BEGIN", "module": f"{number:05d}" + "x" * 5000} for number in range(500)]
        content = encode(record(steps=steps))
        assert len(content) <= MOST_BYTES
        kept = msgspec.json.decode(content)
        assert kept["steps"][0] == steps[0]
        assert kept["steps"][-1] == steps[-1]
        assert kept["steps_left_out"] + len(kept["steps"]) == 500


class TestPrepare:
    def test_the_folder_is_made_for_its_owner(self, tmp_path: Path) -> None:
        TraceFolder(tmp_path / "a" / "traces").prepare()
        assert stat.S_IMODE((tmp_path / "a" / "traces").stat().st_mode) == 0o700

    def test_one_that_exists_is_taken(self, tmp_path: Path) -> None:
        TraceFolder(tmp_path).prepare()

    def test_a_file_in_its_place(self, tmp_path: Path) -> None:
        (tmp_path / "traces").touch()
        with pytest.raises(ConfigurationError, match=r"traces: .* cannot be made a folder"):
            TraceFolder(tmp_path / "traces").prepare()

    def test_nothing_there_is_no_trace_at_all(self, tmp_path: Path) -> None:
        assert TraceFolder(tmp_path / "none").files() == []


class TestWriter:
    def test_what_was_handed_over_is_written_when_it_is_closed(self, tmp_path: Path) -> None:
        folder = TraceFolder(tmp_path)
        writer = TraceWriter(folder)
        for second in range(20):
            writer.write(at_second(second))
        writer.close()
        assert len(folder.files()) == 20

    def test_no_trace_no_thread_no_folder(self, tmp_path: Path) -> None:
        TraceWriter(TraceFolder(tmp_path / "traces")).close()
        assert not (tmp_path / "traces").exists()

    def test_a_folder_that_cannot_be_written_is_said_and_harms_nobody(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        (tmp_path / "traces").touch()
        writer = TraceWriter(TraceFolder(tmp_path / "traces"))
        writer.write(record())
        writer.close()
        assert "a trace could not be written" in caplog.text

    def test_it_is_told_of(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO, "penstock")
        writer = TraceWriter(TraceFolder(tmp_path))
        writer.write(record(path="/a\nb"))
        writer.close()
        assert f"GET /a\\nb left the trace 20261120T160413.623456Z-{ID}.json" in caplog.text
