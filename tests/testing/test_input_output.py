"""Input and output is noticed by what was done."""

import socket
from pathlib import Path

from penstock.testing.input_output import noticed


def test_what_is_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    with noticed() as found:
        (tmp_path / "f").read_text()
    assert found == [f"opened a file {tmp_path / 'f'}"]


def test_sockets_are_noticed() -> None:
    with noticed() as found, socket.socket() as made:
        made.bind(("127.0.0.1", 0))
    assert found == ["bound a socket"]


def test_code_is_not(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text("")
    with noticed() as found:
        (tmp_path / "shop.py").read_text()
    assert found == []


def test_behind_the_block_and_within_another_nothing_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    with noticed() as outer:
        with noticed() as inner:
            (tmp_path / "f").read_text()
        assert (len(outer), len(inner)) == (0, 1)
    (tmp_path / "f").read_text()
    assert (len(outer), len(inner)) == (0, 1)
