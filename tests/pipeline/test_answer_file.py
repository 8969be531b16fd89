"""The part of a file that will be answered: opened and judged at once, read within its bounds (pipeline O-11)."""

import os
from pathlib import Path

import pytest

from penstock import Response
from penstock.pipeline.answer_file import AnswerFile, open_answer_file


@pytest.fixture
def ten(tmp_path: Path) -> Path:
    path = tmp_path / "ten"
    path.write_bytes(b"0123456789")
    return path


def is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


class TestOpening:
    def test_all_of_it_by_text_by_path_and_by_descriptor(self, ten: Path) -> None:
        for file in (str(ten), ten, os.open(ten, os.O_RDONLY)):
            opened = open_answer_file(file, 0, None)
            assert (opened.offset, opened.count, opened.read(0, 99)) == (0, 10, b"0123456789")
            opened.close()
            assert not is_open(opened.descriptor)

    @pytest.mark.parametrize(
        ("offset", "count", "expected"), [(3, None, b"3456789"), (3, 2, b"34"), (10, None, b""), (0, 0, b"")]
    )
    def test_pipeline_o11_a_part_of_it(self, offset: int, count: int | None, expected: bytes, ten: Path) -> None:
        opened = open_answer_file(ten, offset, count)
        assert (opened.count, opened.read(0, 99)) == (len(expected), expected)
        opened.close()

    def test_a_descriptor_that_is_refused_is_closed(self, ten: Path) -> None:
        descriptor = os.open(ten, os.O_RDONLY)
        with pytest.raises(ValueError, match="has 10 bytes: there are no 6 from 5 on"):
            open_answer_file(descriptor, 5, 6)
        assert not is_open(descriptor)

    def test_what_is_no_regular_file_is_refused_and_closed(self, tmp_path: Path) -> None:
        with pytest.raises(OSError, match="is no regular file"):
            open_answer_file(tmp_path, 0, None)
        reading, writing = os.pipe()
        with pytest.raises(OSError, match="is no regular file"):
            open_answer_file(reading, 0, None)
        assert not is_open(reading)
        os.close(writing)


class TestReading:
    def test_it_stays_within_the_part_and_moves_nothing(self, ten: Path) -> None:
        file = AnswerFile(os.open(ten, os.O_RDONLY), 2, 5)
        assert file.read(0, 2) == b"23"
        assert file.read(3, 100) == b"56"
        assert file.read(0, 2) == b"23"
        file.close()

    def test_a_file_that_has_become_shorter_gives_less(self, ten: Path) -> None:
        file = open_answer_file(ten, 2, None)
        os.truncate(ten, 4)
        assert (file.count, file.read(0, 8), file.read(4, 4)) == (8, b"23", b"")
        file.close()


class TestFiles:
    def test_a_file_that_is_not_there_is_told_at_once(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            Response().send_file(tmp_path / "missing")

    @pytest.mark.parametrize(("offset", "count"), [(-1, None), (0, 11), (5, 6), (11, None), (0, -1)])
    def test_pipeline_o11_a_part_that_is_not_there_is_told_at_once(
        self, offset: int, count: int | None, tmp_path: Path
    ) -> None:
        (tmp_path / "f").write_bytes(b"0123456789")
        with pytest.raises(ValueError, match="10 bytes"):
            Response().send_file(tmp_path / "f", offset, count)
