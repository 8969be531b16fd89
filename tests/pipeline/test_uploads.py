"""An upload: small in memory, large in a temporary file, gone when its request is (bad-input row 78)."""

import asyncio
import errno
import io
import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

from penstock.errors import ContractError, HTTPError
from penstock.pipeline.uploads import Upload, open_temporary_file


class Disk:
    """Makes temporary files, and knows which are open."""

    def __init__(self, make: Callable[[], BinaryIO] = open_temporary_file) -> None:
        self.make = make
        self.files: list[BinaryIO] = []

    def open(self) -> BinaryIO:
        self.files.append(self.make())
        return self.files[-1]

    @property
    def states(self) -> list[str]:
        return ["closed" if file.closed else "open" for file in self.files]


def make(*pieces: bytes, memory: int = 10, disk: Disk | None = None) -> Upload:
    upload = Upload("file", "a.txt", memory=memory, open_file=disk.open if disk else None)
    for piece in pieces:
        if upload.add(piece):
            upload.spill()
    if upload.finish():
        upload.spill()
    upload.rewind()
    return upload


class TestSmall:
    def test_it_stays_in_memory_up_to_the_limit(self) -> None:
        disk = Disk()
        upload = make(b"01234", b"56789", disk=disk)
        assert (upload.size, upload.is_in_memory, disk.files) == (10, True, [])
        assert upload.file.read() == b"0123456789"
        upload.close()

    def test_it_is_read_without_a_thread(self) -> None:
        upload = make(b"0123456789")
        with pytest.raises(StopIteration) as whole:
            upload.read().send(None)
        assert whole.value.value == b"0123456789"

    def test_it_may_be_empty(self) -> None:
        assert make().file.read() == b""


class TestLarge:
    def test_one_byte_beyond_the_limit_it_goes_to_disk(self) -> None:
        disk = Disk()
        upload = make(b"0123456789", b"x", disk=disk)
        assert (upload.size, upload.is_in_memory, disk.states) == (11, False, ["open"])
        assert upload.file.read() == b"0123456789x"
        upload.close()
        assert disk.states == ["closed"]

    def test_what_comes_later_is_written_in_large_pieces(self) -> None:
        upload = Upload("file", "a.txt", memory=10)
        assert upload.add(b"0123456789x")
        upload.spill()
        asked = [upload.add(b"y" * 1000) for _ in range(263)]
        assert asked == [False] * 262 + [True]
        upload.spill()
        upload.add(b"z")
        assert upload.finish()
        upload.spill()
        assert not upload.finish()
        upload.rewind()
        assert upload.file.read() == b"0123456789x" + b"y" * 263_000 + b"z"
        upload.close()

    def test_it_is_read_in_a_thread(self) -> None:
        async def journey() -> None:
            upload = make(b"0123456789", b"x")
            assert [await upload.read(4), await upload.read(), await upload.read()] == [b"0123", b"456789x", b""]
            upload.close()

        asyncio.run(journey())

    def test_its_file_has_no_name_that_others_could_open(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        upload = make(b"0123456789", b"x")
        assert list(tmp_path.iterdir()) == []
        upload.close()


class TestSaving:
    @pytest.mark.parametrize("memory", [1, 100])
    def test_the_whole_content_wherever_it_was_read_to(self, tmp_path: Path, memory: int) -> None:
        async def journey() -> None:
            upload = make(b"0123456789", memory=memory)
            await upload.read(4)
            await upload.save(tmp_path / "kept")
            assert await upload.read() == b"456789"
            upload.close()

        asyncio.run(journey())
        assert (tmp_path / "kept").read_bytes() == b"0123456789"

    def test_nothing_is_overwritten(self, tmp_path: Path) -> None:
        (tmp_path / "kept").write_bytes(b"older")
        with pytest.raises(FileExistsError):
            asyncio.run(make(b"newer").save(tmp_path / "kept"))
        assert (tmp_path / "kept").read_bytes() == b"older"

    def test_half_of_it_is_not_left_behind(self, tmp_path: Path) -> None:
        class Broken(io.BytesIO):
            def read(self, size: int | None = -1) -> bytes:
                raise OSError(errno.EIO, "the disk is broken")

        upload = make(b"0123456789x", disk=Disk(Broken))
        with pytest.raises(OSError, match="broken"):
            asyncio.run(upload.save(tmp_path / "kept"))
        assert list(tmp_path.iterdir()) == []


class TestClosing:
    def test_it_may_be_closed_again(self) -> None:
        upload = make(b"0123456789x")
        upload.close()
        upload.close()

    @pytest.mark.parametrize("memory", [1, 100])
    def test_what_was_removed_says_so(self, tmp_path: Path, memory: int) -> None:
        async def journey() -> None:
            upload = make(b"0123456789", memory=memory)
            upload.close()
            for attempt in (upload.read, lambda: upload.save(tmp_path / "kept")):
                with pytest.raises(ContractError, match="save it before"):
                    await attempt()

        asyncio.run(journey())
        assert list(tmp_path.iterdir()) == []

    def test_row_78_a_thread_that_is_writing_removes_it_when_it_is_through(self) -> None:
        is_writing, may_go_on = threading.Event(), threading.Event()

        class Slow(io.BytesIO):
            def write(self, piece: object) -> int:
                is_writing.set()
                may_go_on.wait(10)
                assert not self.closed
                return super().write(piece)  # type: ignore[arg-type]

        disk = Disk(Slow)
        upload = Upload("file", "a.txt", memory=0, open_file=disk.open)
        upload.add(b"x")
        thread = threading.Thread(target=upload.spill)
        thread.start()
        assert is_writing.wait(10)
        upload.close()
        assert disk.states == ["open"]
        may_go_on.set()
        thread.join(10)
        assert disk.states == ["closed"]


class Full(io.BytesIO):
    """A file on a disk that has no room left: it cannot be written to, and closing it tries once more."""

    is_gone = False

    def write(self, piece: object) -> int:
        return len(bytes(piece))  # type: ignore[call-overload]

    def flush(self) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    def close(self) -> None:
        self.is_gone = True
        self.flush()


class TestFullDisk:
    def test_row_78_it_is_answered_for_and_nothing_remains(self) -> None:
        file = Full()
        upload = Upload("file", "a.txt", memory=0, open_file=lambda: file)
        upload.add(b"x")
        with pytest.raises(HTTPError, match="no room for the upload") as caught:
            upload.spill()
        assert caught.value.status == 507
        assert isinstance(caught.value.__cause__, OSError)
        upload.close()
        assert file.is_gone

    def test_row_78_a_folder_that_cannot_be_written_to_is_not_the_client_s_fault(self) -> None:
        def refuse() -> BinaryIO:
            raise PermissionError(errno.EACCES, "no")

        upload = Upload("file", "a.txt", memory=0, open_file=refuse)
        upload.add(b"x")
        with pytest.raises(HTTPError) as caught:
            upload.spill()
        assert (caught.value.status, caught.value.detail) == (500, "")
