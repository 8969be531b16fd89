"""This file is how `--log-config` is read: JSON, TOML, YAML, or the ini form of Python's logging."""

import json
import logging
import tomllib
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path
from typing import Any

from penstock.errors import ConfigurationError, Problem


def configure_logging(path: Path) -> None:
    """Configure Python's logging from the file at `path`. Raises ConfigurationError when that cannot be done."""
    import logging.config as configuring  # a megabyte, for those who want it

    try:
        if path.suffix == ".ini" or path.suffix not in _READERS:
            configuring.fileConfig(path, disable_existing_loggers=False)
        else:
            # Unless the file says so: which loggers exist already is an accident of imports, and ours are among them.
            configuring.dictConfig({"disable_existing_loggers": False, **_READERS[path.suffix](path)})
    except ConfigurationError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise ConfigurationError([Problem(f"cannot configure logging: {reason}", str(path))]) from error


def reopen_log_files() -> None:
    """Let the handlers of Python's logging that write to files open them again: they were moved. Never raises."""
    for handler in _file_handlers():
        with handler.lock or nullcontext():
            before = handler.stream
            try:
                # Appending whatever its mode is: the other workers write there, too.
                handler.stream = open(handler.baseFilename, "a", encoding=handler.encoding, errors=handler.errors)  # noqa: SIM115
            except OSError as error:
                logging.getLogger("penstock").warning("a log file cannot be opened again: %s", error)
                continue
            if before is not None:
                before.close()


def _file_handlers() -> set[logging.FileHandler]:
    loggers = [logging.getLogger(), *logging.getLogger().manager.loggerDict.values()]
    handlers = [handler for logger in loggers if isinstance(logger, logging.Logger) for handler in logger.handlers]
    # One that writes nothing until there is something (`delay`) has not opened its file yet.
    return {handler for handler in handlers if isinstance(handler, logging.FileHandler) and handler.stream is not None}


def _json(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def _toml(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text("utf-8"))


def _yaml(path: Path) -> dict[str, Any]:
    try:
        yaml: Any = import_module("yaml")  # by name: it is an extra, and mypy need not know it
    except ImportError as error:
        message = "needs the package PyYAML, which is not installed; .json, .toml and .ini need nothing"
        raise ConfigurationError([Problem(message, str(path))]) from error
    found: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    return found


_READERS = {".json": _json, ".toml": _toml, ".yaml": _yaml, ".yml": _yaml}
