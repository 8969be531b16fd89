import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.errors import ConfigurationError
from penstock.server.log_config import configure_logging

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
