"""This file is how the options of `penstock serve` and of `penstock.run` are laid over the settings."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, TypedDict, Unpack

from msgspec.structs import replace

from penstock.errors import ConfigurationError, Problem
from penstock.settings import ControlSettings, ProxySettings, RecycleSettings, ServerSettings, Settings, TlsSettings

_TCP: Final = re.compile(r"(?!unix:|fd:|fcgi://|fcgi\+)(.*):(\d+)")
_HEADER: Final = re.compile(
    r"([A-Za-z0-9!#$%&'*+.^_`|~-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)"
)  # RFC 9110 sections 5.1, 5.5


class Options(TypedDict, total=False):
    """What can be said beside (or instead of) a site file; None and an empty sequence are as good as not said.

    The names are those of the command line, where their meaning is explained: `penstock serve --help`.
    """

    bind: Sequence[str]
    host: str | None
    port: int | None
    uds: str | None
    fd: int | None
    app_dir: Sequence[str]
    workers: int | Literal["auto"] | None
    one_process: bool | None
    pid: str | None
    control: str | None
    mode: Literal["production", "development"] | None
    log_level: str | None
    access_log: bool | None
    access_log_format: str | None
    header: Sequence[str]
    timeout_keep_alive: float | None
    timeout_graceful_shutdown: float | None
    limit_concurrency: int | None
    limit_max_requests: int | None
    limit_max_requests_jitter: int | None
    backlog: int | None
    strict_host: bool | None
    forwarded_allow_ips: str | None
    ssl_certfile: str | None
    ssl_keyfile: str | None


def overlay(settings: Settings, **options: Unpack[Options]) -> Settings:
    """`settings` with what the options say in place of what they said before.

    `one_process` is for a server that is started anew all the time: it has no workers and no PID file, whatever the settings say.
    Raises ConfigurationError with every option that makes no sense (where it was said is "--name"), every key that has no
    effect without workers, and everything of pools that we may not do: only root can become somebody else.
    """
    problems: list[Problem] = []
    server = settings.server
    changes: dict[str, Any] = {
        "listen": _listen(server.listen, options, problems),
        "headers": {**server.headers, **_headers(options.get("header") or (), problems)},
        "app_dirs": (*(options.get("app_dir") or ()), *server.app_dirs),
        "limits": replace(server.limits, **_limits(options)),
        "log": replace(server.log, **_said(options, _LOG)),
        "proxy": _proxy(server.proxy, options.get("forwarded_allow_ips"), problems),
        "tls": _tls(server, options, problems),
        "recycle": replace(server.recycle, **_recycle(options)),
        **_places_of_processes(server, options, problems),
        **_said(options, _SERVER),
    }
    if options.get("one_process"):
        changes |= {"workers": None, "watch": False, "control": None, "pid_file": "", "recycle": RecycleSettings()}
    laid = replace(settings, server=replace(server, **changes))
    problems += _without_effect(laid)
    if laid.pools:
        from penstock.supervisor.environments import environment_problems
        from penstock.supervisor.process_limits import judge_limits

        problems += environment_problems(laid)
        problems += [each for pool in laid.pools for each in judge_limits(pool)]
    if problems:
        raise ConfigurationError(problems)
    return laid


_SERVER: Final = {
    "mode": "mode",
    "workers": "workers",
    "backlog": "backlog",
    "strict_host": "strict_host",
    "timeout_graceful_shutdown": "graceful_timeout",
    "limit_max_requests": "max_requests",
}
_LOG: Final = {"log_level": "level", "access_log": "access", "access_log_format": "access_format"}


def _said(options: Options, names: Mapping[str, str]) -> dict[str, Any]:
    values: Mapping[str, Any] = options
    return {key: values[name] for name, key in names.items() if values.get(name) is not None}


def _limits(options: Options) -> dict[str, Any]:
    limits = _said(options, {"timeout_keep_alive": "keep_alive", "limit_concurrency": "requests_inside"})
    if "requests_inside" in limits:
        limits["queue"] = 0  # as uvicorn means it: beyond that number the answer is 503 at once
    return limits


def _recycle(options: Options) -> dict[str, Any]:
    recycle = _said(options, {"limit_max_requests_jitter": "jitter"})
    if options.get("limit_max_requests") is not None:
        recycle["requests"] = 0  # the site file's other name for the same: the option wins
    return recycle


def _places_of_processes(server: ServerSettings, options: Options, problems: list[Problem]) -> dict[str, Any]:
    """Where the process id is written and where the commands connect, relative to the current folder."""
    places: dict[str, Any] = {}
    pid, control = options.get("pid"), options.get("control")
    if pid:
        places["pid_file"] = _new_file(pid, "--pid", problems)
    if control:
        from penstock.settings.pool_paths import judge_socket_length

        path = _new_file(control, "--control", problems)
        problems += [Problem(told, "--control") for told in (judge_socket_length(path),) if told]
        places["control"] = replace(server.control or ControlSettings(), socket=path)
    return places


def _new_file(text: str, option: str, problems: list[Problem]) -> str:
    from penstock.settings.paths import judge_new_file

    path = os.path.abspath(os.path.expanduser(text))
    problems += [Problem(told, option) for told in (judge_new_file(Path(path)),) if told]
    return path


def has_workers() -> bool:
    """Whether this process is the supervisor already: an upgrade in place keeps it, whatever the site file says by now."""
    return os.environ.get("PENSTOCK_UPGRADE", "").partition(":")[0] == str(os.getpid())


# What means something with one process, too.
_WITHOUT_WORKERS: Final = ("requests", "jitter")


def _without_effect(settings: Settings) -> Iterator[Problem]:
    """What only a supervisor can do, where none was asked for."""
    server, usual = settings.server, RecycleSettings()
    if settings.is_supervised or has_workers():
        return
    advice = "needs a supervisor: say workers = 1, or more, in [server], or --workers"
    if server.watch:
        yield Problem(f"watch {advice}", "[server]")
    for key in RecycleSettings.__struct_fields__:
        if key not in _WITHOUT_WORKERS and getattr(server.recycle, key) != getattr(usual, key):
            yield Problem(f"{key} {advice}", "[server.recycle]")


def _listen(before: Sequence[str], options: Options, problems: list[Problem]) -> tuple[str, ...]:
    """Every place that was named, in place of all of `before`; a host or a port alone keeps the other one."""
    places = list(options.get("bind") or ())
    host, port = options.get("host"), options.get("port")
    if host is not None or port is not None:
        old_host, old_port = _first_tcp(before)
        places.append(f"{_bracketed(host) if host is not None else old_host}:{port if port is not None else old_port}")
    if (path := options.get("uds")) is not None:
        places.append(f"unix:{path}")
    if (descriptor := options.get("fd")) is not None:
        places.append(f"fd:{descriptor}")
    problems += _wrong_places(places)
    return tuple(places) or tuple(before)


def _wrong_places(places: Sequence[str]) -> list[Problem]:
    if not places:
        return []
    from penstock.hosts.binds import parse_bind

    problems: list[Problem] = []
    for place in places:
        try:
            parse_bind(place, where="--bind")
        except ConfigurationError as error:
            problems += error.problems
    return problems


def _first_tcp(places: Sequence[str]) -> tuple[str, str]:
    for place in places:
        if found := _TCP.fullmatch(place):
            return found[1], found[2]
    return "127.0.0.1", "8000"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _headers(lines: Sequence[str], problems: list[Problem]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        if found := _HEADER.fullmatch(line.strip()):
            headers[found[1].lower()] = found[2].strip()
        else:
            problems.append(Problem(f'{line!r} is not a header: write "Name: value"', "--header"))
    return headers


def _proxy(before: ProxySettings, text: str | None, problems: list[Problem]) -> ProxySettings:
    if text is None:
        return before
    from penstock.settings.addresses import judge_trusted

    trusted = tuple(part for part in re.split(r"[\s,]+", text) if part)
    wrong = filter(None, map(judge_trusted, trusted))
    problems += [Problem(sentence, "--forwarded-allow-ips") for sentence in wrong]
    return replace(before, trusted=trusted)


def _tls(server: ServerSettings, options: Options, problems: list[Problem]) -> TlsSettings | None:
    certificate, key = options.get("ssl_certfile"), options.get("ssl_keyfile")
    if certificate is not None:
        return TlsSettings(certificate=certificate, key=key or certificate)
    if key is None:
        return server.tls
    if server.tls is None:
        problems.append(Problem("needs --ssl-certfile beside it", "--ssl-keyfile"))
        return None
    return replace(server.tls, key=key)
