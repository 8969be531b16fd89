"""How messages reach the operator."""

import logging
import os
import sys

import pytest

from penstock.server.messages import EscapingFormatter, configure_messages


def formatted(message: str, error: Exception | None = None) -> str:
    info = None if error is None else (type(error), error, None)
    return EscapingFormatter().format(logging.LogRecord("penstock", logging.INFO, "", 1, message, (), info))


def test_the_process_is_named_where_several_write_to_the_same_place() -> None:
    record = logging.LogRecord("penstock", logging.INFO, "", 1, "replaced", (), None)
    assert EscapingFormatter(names_process=True).format(record).endswith(f" [{os.getpid()}] INFO replaced")


class TestEscaping:
    """Bad-input row 46: what a client sent does not command the operator's terminal."""

    @pytest.mark.parametrize(
        ("sent", "written"),
        [
            ("\x1b[2J", "\\x1b[2J"),
            ("a\rb", "a\\x0db"),
            ("\0\x08\x7f\x9b", "\\x00\\x08\\x7f\\x9b"),
            ("\u202egnp.exe", "\\u202egnp.exe"),
            ("é – ünïcode\tand tabs", "é – ünïcode\tand tabs"),
        ],
    )
    def test_in_messages_and_in_exceptions(self, sent: str, written: str) -> None:
        assert formatted(sent).endswith(f" INFO {written}")
        assert formatted("failed", ValueError(sent)).endswith(f"ValueError: {written}")

    def test_a_traceback_keeps_its_lines(self) -> None:
        try:
            int("\x1b")
        except ValueError:
            record = logging.LogRecord("penstock", logging.ERROR, "", 1, "failed", (), sys.exc_info())
        lines = EscapingFormatter().format(record).splitlines()
        assert lines[1] == "Traceback (most recent call last):"
        assert not any(character in line for line in lines for character in "\x1b\r")


class TestConfiguring:
    @pytest.fixture
    def logger(self, monkeypatch: pytest.MonkeyPatch) -> logging.Logger:
        logger = logging.getLogger("penstock")
        monkeypatch.setattr(logger, "handlers", [])
        monkeypatch.setattr(logger, "propagate", True)
        monkeypatch.setattr(logger, "level", logging.NOTSET)
        return logger

    def test_messages_go_to_standard_error_once(self, logger: logging.Logger, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(logging.getLogger(), "handlers", [])
        configure_messages("warning")
        configure_messages("debug")
        (handler,) = logger.handlers
        assert isinstance(handler.formatter, EscapingFormatter)
        assert (logger.level, logger.propagate) == (logging.DEBUG, False)

    def test_who_has_configured_logging_keeps_it(self, logger: logging.Logger, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(logging.getLogger(), "handlers", [logging.NullHandler()])
        configure_messages("info")
        assert (logger.handlers, logger.propagate) == ([], True)
