"""This file is `penstock trace`: the requests that left a trace, and one of them step by step."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from penstock.errors import ConfigurationError, Problem
from penstock.tools.columns import as_json_text

if TYPE_CHECKING:
    from penstock.server.trace_model import TraceRecord

# A trace of the list: the file and what is in it.
Found = tuple[Path, "TraceRecord"]

_SITE_FILE: Final = "penstock.toml"


@click.command("trace", options_metavar="[--last] [--json]")
@click.argument("words", nargs=-1, metavar="[FILE] [ID]")
@click.option("--last", is_flag=True, help="Show the newest.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
def command(words: Sequence[str], *, last: bool, as_json: bool) -> None:
    """List the requests that left a trace, newest first; with an ID, show that one.

    ID is a trace id or an error id, or how it begins, or the name of a file. FILE is the site file, ./penstock.toml if not
    given. Which requests leave a trace is said by [[site.trace]] there. Nothing that the file names is imported.
    """
    file, wanted = _split(words)
    folder = _folder_of(file)
    if wanted or last:
        path, record = _the_last(folder) if last else _the_one(folder, wanted)
        _show(path, record, as_json=as_json)
    else:
        _list(folder, as_json=as_json)


def _split(words: Sequence[str]) -> tuple[Path, str]:
    """The site file and the id, "" for none."""
    if words and (words[0].endswith(".toml") or len(words) > 1):
        file, *ids = words
    else:
        file, ids = _SITE_FILE, list(words)
    if len(ids) > 1:
        raise click.UsageError("Say one site file and one id, as in: penstock trace penstock.toml 4bf92f35")
    if not Path(file).is_file():
        raise click.UsageError(f"There is no site file {file!r}.")
    return Path(file), ids[0] if ids else ""


def _folder_of(file: Path) -> Path:
    """Where the traces are. Raises ConfigurationError when nothing asks for any."""
    from penstock.settings.loader import load

    settings = load(file, os.environ)
    if not settings.server.log.traces:
        advice = 'add one, such as [[site.trace]] with at = "/" and status = ["500-599"]'
        raise ConfigurationError(
            [Problem(f"no site has a [[site.trace]], so no request leaves a trace: {advice}", str(file))]
        )
    return Path(settings.server.log.traces)


def _read_all(folder: Path) -> list[Found]:
    """What can be read, newest first. What cannot is named on standard error."""
    from penstock.server.trace_files import TraceFolder
    from penstock.server.trace_model import UnreadableTrace, read_trace

    found: list[Found] = []
    for path in TraceFolder(folder).files():
        try:
            found.append((path, read_trace(path)))
        except UnreadableTrace as error:
            click.echo(str(error), err=True)
    return found


def _list(folder: Path, *, as_json: bool) -> None:
    from penstock.tools.trace_text import list_lines

    found = _read_all(folder)
    if as_json:
        click.echo(as_json_text([_summary(path, record) for path, record in found]))
    elif not found:
        click.echo(f"no request has left a trace in {folder}")
    else:
        for line in list_lines([record for _, record in found]):
            click.echo(line)


def _the_last(folder: Path) -> Found:
    found = _read_all(folder)
    if not found:
        raise click.UsageError(f"No request has left a trace in {folder}.")
    return found[0]


def _the_one(folder: Path, wanted: str) -> Found:
    found = [(path, record) for path, record in _read_all(folder) if _is_meant(path, record, wanted)]
    if not found:
        raise click.UsageError(f"No trace in {folder} has the id {wanted!r}; without an id, all are listed.")
    if len(found) > 1:
        names = "".join(f"\n  {path.name}  {record.method} {record.path!a}" for path, record in found)
        raise click.UsageError(f"{len(found)} traces have the id {wanted!r}; say the name of a file:{names}")
    return found[0]


def _is_meant(path: Path, record: "TraceRecord", wanted: str) -> bool:
    ids = [each for each in (record.trace_id, record.error_id) if each]
    return path.name == Path(wanted).name or any(each.startswith(wanted.lower()) for each in ids)


def _show(path: Path, record: "TraceRecord", *, as_json: bool) -> None:
    from penstock.tools.trace_text import trace_lines

    if as_json:
        click.echo(as_json_text(record))
        return
    for line in trace_lines(record):
        click.echo(line)
    click.echo(f"\n{path}")


def _summary(path: Path, record: "TraceRecord") -> dict[str, Any]:
    names = (
        "trace_id",
        "error_id",
        "time",
        "outcomes",
        "status",
        "seconds",
        "method",
        "path",
        "failed_at",
        "status_set_by",
    )
    return {"file": path.name, **{name: getattr(record, name) for name in names}}
