"""`wsgi.file_wrapper`, PEP 3333 section "Optional Platform-Specific File Handling"."""

import gzip
import io
import os
from pathlib import Path

import pytest

from penstock.errors import ContractError
from penstock.pipeline_gateways.file_wrapper import FileWrapper


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    return path


def taken(wrapper: FileWrapper, content_length: int = -1) -> tuple[int, int] | None:
    found = wrapper.take_descriptor(content_length)
    if found is None:
        return None
    os.close(found[0])
    return found[1:]


def test_it_iterates_in_blocks(path: Path) -> None:
    with path.open("rb") as file:
        assert list(FileWrapper(file, 4)) == [b"0123", b"4567", b"89"]


def test_it_closes_the_file_and_takes_what_cannot_be_closed() -> None:
    class OnlyRead:
        def read(self, size: int) -> bytes:
            return b""

    file = io.BytesIO()
    FileWrapper(file).close()
    FileWrapper(OnlyRead()).close()
    assert file.closed


@pytest.mark.parametrize("buffering", [0, -1])
def test_a_real_file_is_sent_from_its_position(path: Path, buffering: int) -> None:
    with path.open("rb", buffering=buffering) as file:
        file.read(3)
        assert taken(FileWrapper(file)) == (3, 7)


def test_the_content_length_is_what_is_sent(path: Path) -> None:
    with path.open("rb") as file:
        assert taken(FileWrapper(file), 4) == (0, 4)


def test_a_file_shorter_than_its_content_length_is_refused(path: Path) -> None:
    with path.open("rb") as file, pytest.raises(ContractError) as caught:
        taken(FileWrapper(file), 11)
    assert "10 bytes of file but content-length 11" in str(caught.value)


def test_a_position_behind_the_end_is_an_empty_file(path: Path) -> None:
    with path.open("rb") as file:
        file.seek(50)
        assert taken(FileWrapper(file)) == (50, 0)


def test_the_descriptor_is_our_own(path: Path) -> None:
    with path.open("rb") as file:
        found = FileWrapper(file).take_descriptor(-1)
    assert found is not None
    assert os.pread(found[0], 10, 0) == b"0123456789"
    os.close(found[0])


def test_what_only_looks_like_a_file_is_iterated(tmp_path: Path) -> None:
    packed = tmp_path / "packed.gz"
    packed.write_bytes(gzip.compress(b"text"))
    with gzip.open(packed) as file:  # its fileno is the compressed file's
        assert taken(FileWrapper(file)) is None
        assert list(FileWrapper(file)) == [b"text"]
    with io.BufferedReader(gzip.open(packed)) as file:
        assert taken(FileWrapper(file)) is None
    assert taken(FileWrapper(io.BytesIO(b"a"))) is None


def test_a_pipe_is_iterated() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"abc")
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        assert taken(FileWrapper(file)) is None
        assert list(FileWrapper(file)) == [b"abc"]
