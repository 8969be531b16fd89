"""The other end of the control socket: how a command finds a running server, asks it, and tells what went wrong."""

import http.client
import os
import socket
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from typing import Any, Final, TypeVar
from urllib.parse import quote

import click

from penstock.supervisor.control_path import find_control

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., None])

# Seconds that a server which turns at all needs at most; what waits for workers has no limit.
_PATIENCE: Final = 15.0
_LOOK: Final = 0.02
_SITE_FILE: Final = "penstock.toml"


class NotRunning(click.ClickException):
    """No server listens to commands there; exit code 3."""

    exit_code = 3


class Refused(click.ClickException):
    """The server has refused, or did not answer as it should; exit code 1."""


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str, timeout: float | None) -> None:
        super().__init__("penstock", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(getattr(socket, "AF_UNIX", -1), socket.SOCK_STREAM)
        self._connect_when_there_is_room(self.sock, time.monotonic() + _PATIENCE)
        self.sock.settimeout(self.timeout)

    def _connect_when_there_is_room(self, sock: socket.socket, end: float) -> None:
        # unix(7): without blocking, a connect to a socket whose backlog is full fails at once; with it, it may wait for ever.
        sock.setblocking(False)
        while True:
            try:
                sock.connect(self._path)
                return
            except BlockingIOError:
                if time.monotonic() > end:
                    raise
                time.sleep(_LOOK)


def server_options(command: F) -> F:
    """Add TARGET, --control and --json to a command, which takes `target`, `control` and `as_json`."""
    for add in (
        click.option("--json", "as_json", is_flag=True, help="Print JSON for programs."),
        click.option(
            "--control",
            metavar="PATH",
            envvar="PENSTOCK_CONTROL",
            show_envvar=True,
            help="The control socket of the server, instead of finding it by TARGET.",
        ),
        click.argument("target", default=_SITE_FILE),
    ):
        command = add(command)
    return command


def ask(target: str, control: str | None, call: str, order: object = None, *, waits: bool = False) -> bytes:
    """The answer to `call`, such as "GET /v1/status", of the server of `target`, or the one at the path `control`.

    `order` becomes the body as JSON. `waits`: the answer may take as long as it takes. Raises NotRunning and Refused.
    """
    path = control or _configured(target) or find_control(target)
    method, _, url = call.partition(" ")
    with closing(_UnixConnection(path, None if waits else _PATIENCE)) as connection:
        try:
            connection.connect()
        except OSError as error:
            raise _not_connected(path, error, target=None if control else target) from error
        try:
            connection.request(method, url, body=_body_of(order))
            answer = connection.getresponse()
            status, content = answer.status, answer.read()
        except TimeoutError:
            raise Refused(f"the server at {path} has not answered within {_PATIENCE:g} seconds") from None
        except (OSError, http.client.HTTPException) as error:
            raise Refused(f"the server at {path} has broken off: {str(error) or type(error).__name__}") from error
    if not 200 <= status < 300:
        raise _refusal(path, status, content)
    return content


def segment(kind: str, name: str) -> str:
    """`name` as a part of a path. Raises Refused for what no `kind` ("pool", "worker") can be called."""
    if name in ("", ".", "..") or "/" in name:
        raise Refused(f'no {kind} is called "{name}"')
    return quote(name, safe="")


def read(content: bytes, kind: type[T]) -> T:
    """The answer as a struct. Raises Refused when it is none: the server is of another version, or no Penstock."""
    import msgspec

    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.MsgspecError as error:
        raise Refused(
            f"the server's answer cannot be read: {error}; is it of another version? --json shows it"
        ) from error


def show_json(content: bytes) -> None:
    """Print an answer for programs."""
    import msgspec

    click.echo(msgspec.json.format(content, indent=2).decode().rstrip())


def _body_of(order: object) -> bytes | None:
    import json

    return None if order is None else json.dumps(order).encode()


def _configured(target: str) -> str:
    """The path that the site file says, if it does: also of one that is being edited and has mistakes elsewhere."""
    if variable := os.environ.get("PENSTOCK_SERVER__CONTROL__SOCKET"):
        return _absolute(variable, target)
    if not target.endswith(".toml"):
        return ""
    import tomllib

    try:
        with open(target, "rb") as file:
            said = tomllib.load(file)["server"]["control"]["socket"]
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return _absolute(said, target) if isinstance(said, str) and said else ""


def _absolute(path: str, target: str) -> str:
    folder = os.path.dirname(os.path.abspath(target)) if target.endswith(".toml") else os.getcwd()
    return os.path.join(folder, os.path.expanduser(path))


# -- what went wrong ---------------------------------------------------------------------------------------------------


def _not_connected(path: str, error: OSError, *, target: str | None) -> click.ClickException:
    if isinstance(error, PermissionError):
        return Refused(f"{path} may not be opened by this user{_owner_of(path)}: run the command as that user")
    if isinstance(error, TimeoutError | BlockingIOError):
        return Refused(f"the server at {path} accepts no connections: it is stuck, or was stopped")
    if not isinstance(error, FileNotFoundError | ConnectionRefusedError | NotADirectoryError):
        return Refused(f"{path} cannot be connected to: {error.strerror or error}")
    if target is None:
        return NotRunning(f"no server listens to commands at {path}")
    missing = "" if os.path.exists(target) or ":" in target else f" (there is no file {target})"
    start = f"penstock serve {target} --workers 2"
    return NotRunning(
        f"no server of {target}{missing} listens to commands at {path}\n"
        f"One that does is started with workers, as in: {start}\n"
        "If it runs as another user or was given another --control, say where: --control PATH"
    )


def _owner_of(path: str) -> str:
    try:
        owner = os.stat(path).st_uid
    except OSError:
        return ""
    name = str(owner)
    if sys.platform != "win32":
        import pwd

        with suppress(KeyError):
            name = pwd.getpwuid(owner).pw_name
    return f": it belongs to user {name}"


def _refusal(path: str, status: int, content: bytes) -> click.ClickException:
    import json

    try:
        told: dict[str, Any] = json.loads(content)
        lines = [f"{each['where']}: {each['text']}".removeprefix(": ") for each in told.get("problems", ())]
        lines += [each["error"].rstrip() for each in told.get("pools", ()) if each["error"]]
        detail = str(told.get("detail") or told["title"])
    except (ValueError, KeyError, TypeError, AttributeError):
        if status == 503:
            return Refused(f"the server at {path} is busy with other commands: try again")
        return Refused(f"what listens at {path} is no Penstock of this version: it answered with {status}")
    return Refusal("\n".join(lines) if status == 422 and lines else "\n".join([*lines, detail]))


class Refusal(Refused):
    """What the server said, as it is: mistakes of the site file as `penstock check` prints them."""

    def show(self, file: Any = None) -> None:
        click.echo(self.message, file=file or sys.stderr)
