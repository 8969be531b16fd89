import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.errors import ConfigurationError
from penstock.server.log_config import configure_logging, reopen_log_files

LOGGER = "penstock.tests.log_config"
FORMS = {
    "log.json": json.dumps({"version": 1, "loggers": {LOGGER: {"level": "ERROR"}}}),
    "log.toml": f'version = 1\n[loggers."{LOGGER}"]\nlevel = "ERROR"\n',
    "log.ini": "[loggers]\nkeys=root,it\n[handlers]\nkeys=\n[formatters]\nkeys=\n"
    f"[logger_root]\nhandlers=\n[logger_it]\nlevel=ERROR\nhandlers=\nqualname={LOGGER}\n",
}


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    before = root.level, list(root.handlers)
    yield
    root.setLevel(before[0])
    root.handlers[:] = before[1]
    logging.getLogger(LOGGER).setLevel(logging.NOTSET)


@pytest.mark.parametrize("name", FORMS)
def test_forms(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text(FORMS[name], "utf-8")
    configure_logging(path)
    assert logging.getLogger(LOGGER).level == logging.ERROR


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("log.json", "{"),
        ("log.json", '{"version": 7}'),
        ("log.toml", "= 1"),
        ("log.ini", "nothing"),
        ("none.json", None),
    ],
)
def test_what_cannot_be_used_names_the_file(tmp_path: Path, name: str, text: str | None) -> None:
    path = tmp_path / name
    if text is not None:
        path.write_text(text, "utf-8")
    with pytest.raises(ConfigurationError, match="cannot configure logging") as caught:
        configure_logging(path)
    assert caught.value.problems[0].where == str(path)


def test_loggers_that_exist_already_are_not_silenced(tmp_path: Path) -> None:
    logger = logging.getLogger(LOGGER)
    (tmp_path / "log.json").write_text('{"version": 1}')
    configure_logging(tmp_path / "log.json")
    assert not logger.disabled


@pytest.fixture
def log_file(tmp_path: Path) -> Iterator[logging.FileHandler]:
    (tmp_path / "logs").mkdir()
    handler = logging.FileHandler(tmp_path / "logs" / "messages.log", mode="w")
    logger = logging.getLogger(LOGGER)
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)
    handler.close()


def test_files_that_were_moved_are_opened_again(tmp_path: Path, log_file: logging.FileHandler) -> None:
    logging.getLogger(LOGGER).error("before")
    path = tmp_path / "logs" / "messages.log"
    path.rename(tmp_path / "old.log")
    path.write_text("of another worker\n")
    reopen_log_files()
    logging.getLogger(LOGGER).error("after")
    assert (tmp_path / "old.log").read_text() == "before\n"
    assert path.read_text() == "of another worker\nafter\n"


def test_a_file_that_cannot_be_opened_again_is_written_on(
    tmp_path: Path, log_file: logging.FileHandler, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "logs").rename(tmp_path / "moved")
    reopen_log_files()
    logging.getLogger(LOGGER).error("after")
    assert "after\n" in (tmp_path / "moved" / "messages.log").read_text()
    assert "a log file cannot be opened again" in caplog.text
