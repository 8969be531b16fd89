import os
from pathlib import Path

import pytest

from penstock.errors import ConfigurationError
from penstock.tools.env_file import load_env_file, read_env_file


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("KEY=value", "value"),
        ("export KEY=value", "value"),
        ("KEY = spaced value ", "spaced value"),
        ("KEY='single # kept'", "single # kept"),
        ('KEY="double \\" quote"  # comment', 'double " quote'),
        ("KEY=plain # comment", "plain"),
        ("KEY=a#b", "a#b"),
        ("KEY=", ""),
        ("KEY=$HOME", "$HOME"),
    ],
)
def test_forms_of_a_line(tmp_path: Path, line: str, value: str) -> None:
    path = tmp_path / ".env"
    path.write_text(f"# a comment\n\n{line}\n", "utf-8")
    assert read_env_file(path) == {"KEY": value}


def test_every_bad_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("A=1\nnonsense\n2B=1\nC='open\nD='a' b\n", "utf-8")
    with pytest.raises(ConfigurationError) as caught:
        read_env_file(path)
    assert [problem.where for problem in caught.value.problems] == [f"{path}:{line}" for line in (2, 3, 4, 5)]
    assert "NAME=value" in caught.value.problems[0].message


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_bytes(b"A=\xff\n")
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        read_env_file(path)


def test_what_the_environment_has_already_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / ".env"
    path.write_text("TOUR_OLD=file\nTOUR_NEW=file\n", "utf-8")
    monkeypatch.setenv("TOUR_OLD", "environment")
    monkeypatch.setenv("TOUR_NEW", "to be removed")
    monkeypatch.delenv("TOUR_NEW")
    load_env_file(path)
    assert os.environ["TOUR_OLD"] == "environment"
    assert os.environ.pop("TOUR_NEW") == "file"
