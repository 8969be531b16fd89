"""This file is `penstock serve`: from the words on the command line to a server that runs."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import click
from click.core import ParameterSource

# Where to listen can be said in several ways. If one of them is said on the command line, the environment's say nothing.
_PLACES: Final = ("bind", "host", "port", "uds", "fd")
_POSITIVE: Final = click.IntRange(min=1)
_SECONDS: Final = click.FloatRange(min=0)
_LEVELS: Final = click.Choice(["debug", "info", "warning", "error", "critical"])
_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER: Final = click.Path(exists=True, file_okay=False)


class Lines(click.types.StringParamType):
    """Text that has a line of its own in the environment, because it may hold spaces."""

    envvar_list_splitter = "\n"


class Workers(click.types.StringParamType):
    """How many workers: a whole number, or "auto"; what is wrong is told with the name of the variable it came from."""

    name = "workers"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        text = str(value).strip().lower()
        if text == "auto":
            return text
        if text.isascii() and text.isdigit() and 1 <= int(text) <= 1024:
            return int(text)
        told = f'{value!r}, which is neither a whole number from 1 to 1024 nor "auto"'
        if variable := _find_variable(param, ctx):
            raise click.UsageError(f"{variable} is {told}.", ctx)
        raise click.BadParameter(f"it is {told}.", ctx, param)


def _find_variable(param: click.Parameter | None, ctx: click.Context | None) -> str | None:
    """The variable that says what an option does not; None where the command line says it."""
    import os

    if param is None or ctx is None or ctx.get_parameter_source(str(param.name)) is not ParameterSource.ENVIRONMENT:
        return None
    variables = [param.envvar] if isinstance(param.envvar, str) else param.envvar or []
    return next((name for name in variables if os.environ.get(name)), None)


class ServeCommand(click.Command):
    """A command that knows what uvicorn and gunicorn call their options."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            from penstock.tools.hints import find_hint

            hint = find_hint(error.option_name)
            if hint is None:
                raise
            raise click.UsageError(f"There is no {error.option_name}. {hint}", ctx) from error


def option(*names: str, envvar: tuple[str, ...] = (), **attributes: Any) -> Callable[[Any], Any]:
    """A click option that can be said as PENSTOCK_<NAME> too, and in the variables `envvar`."""
    name = next(name for name in names if name.startswith("--")).partition("/")[0]
    variable = f"PENSTOCK_{name.removeprefix('--').replace('-', '_').upper()}"
    return click.option(*names, envvar=[variable, *envvar], **attributes)


def _load_env_file(_ctx: click.Context, _parameter: click.Parameter, path: Path | None) -> Path | None:
    if path is not None:
        from penstock.tools.env_file import load_env_file

        load_env_file(path)
    return path


HELP: Final = """\
Serve TARGET: a site file, an application or a folder.

\b
penstock serve penstock.toml         a site (without TARGET: ./penstock.toml)
penstock serve shop.api:app          an application, ASGI or WSGI
penstock serve shop:make --factory   what a function makes
penstock serve shop:prices           a function, or a coroutine function that is given a WebSocket
penstock serve public                a folder of files

Every option is also an environment variable: PENSTOCK_BIND, PENSTOCK_LOG_LEVEL and so on; several values
are parted by spaces (headers by line ends). PENSTOCK_SERVER__LIMITS__BODY and its like set any key of [server].
An option wins over its variable, that over PENSTOCK_SERVER__..., and these over the site file.
PORT, where no place is named by an option or a variable, is understood as gunicorn does: every address, that port.
WEB_CONCURRENCY, where no number of workers is named by an option or a variable, is that number.
"""


@click.command("serve", cls=ServeCommand, help=HELP)
@click.argument("target", required=False)
# Eager: what this file says may be meant for the options below.
@option(
    "--env-file",
    type=_FILE,
    is_eager=True,
    callback=_load_env_file,
    help="File of NAME=value lines for the environment.",
)
@option(
    "--bind",
    "-b",
    multiple=True,
    metavar="PLACE",
    help="Where to listen, any number of times: host:port, :port, unix:path, fd:number; fcgi://host:port, fcgi+unix:path for FastCGI.",
)
@option("--host", help="Address to listen at.  [default: 127.0.0.1]")
@option(
    "--port",
    type=click.IntRange(0, 65535),
    metavar="N",
    help="Port to listen at; 0 is any that is free.  [default: 8000]",
)
@option("--uds", metavar="PATH", help="Unix socket to listen at.")
@option("--fd", type=click.IntRange(min=0), metavar="N", help="Descriptor of a listening socket that was handed over.")
@option(
    "--workers",
    "-w",
    type=Workers(),
    envvar=("WEB_CONCURRENCY",),
    metavar="N|auto",
    help="Processes that share the requests, under a supervisor.  [default: one process, without a supervisor]",
)
@option("--pid", metavar="FILE", help="File for the process id, of the supervisor if there is one.")
@option(
    "--control",
    metavar="PATH",
    help="Unix socket for `penstock status` and its like.  [default: one named after the site file]",
)
@option("--app-dir", multiple=True, type=_FOLDER, help="Folder to import from; the current one is there already.")
@option("--factory", is_flag=True, help="Call what TARGET names to get the application.")
@option(
    "--interface",
    type=click.Choice(["auto", "asgi", "wsgi", "owin"]),
    default="auto",
    help="Shape of the application.  [default: auto]",
)
@option("--root-path", default="", help="Path prefix that a proxy took off.")
@option(
    "--threads",
    type=click.IntRange(0, 1024),
    metavar="N",
    help="Threads of a WSGI application; 0 runs it on the event loop.  [default: 4]",
)
@option(
    "--mode",
    type=click.Choice(["production", "development"]),
    help="Whether error pages show tracebacks.  [default: production, with --reload development]",
)
@option("--reload", is_flag=True, help="Start anew when a file changes.")
@option("--reload-dir", multiple=True, type=_FOLDER, help="Folder to watch.  [default: what is imported from]")
@option(
    "--reload-include",
    multiple=True,
    metavar="PATTERN",
    help="Files to watch beside *.py and the site file, such as '*.html'.",
)
@option("--log-level", type=_LEVELS, help="Least severe message that is written.  [default: info]")
@option("--log-config", type=_FILE, help="Logging configuration: .json, .toml, .yaml or .ini.")
@option("--access-log/--no-access-log", default=None, help="Whether every answer is written down.  [default: yes]")
@option(
    "--access-log-format",
    metavar="FORMAT",
    help='"readable", "combined", "common", "json" or a format string.  [default: readable on a terminal, else combined]',
)
@option("--header", multiple=True, type=Lines(), metavar="'NAME: VALUE'", help="Header added to every answer.")
@option(
    "--timeout-keep-alive", type=_SECONDS, metavar="SECONDS", help="Seconds an idle connection is kept.  [default: 75]"
)
@option(
    "--timeout-graceful-shutdown",
    type=_SECONDS,
    metavar="SECONDS",
    help="Seconds requests may take to end at stop.  [default: 30]",
)
@option(
    "--limit-concurrency",
    type=_POSITIVE,
    metavar="N",
    help="Requests inside at once; beyond them the answer is 503.  [default: 1000, and 1000 that wait]",
)
@option(
    "--limit-max-requests",
    type=click.IntRange(min=0),
    metavar="N",
    help="Stop after so many requests; with --workers a new process takes over.  [default: never]",
)
@option(
    "--limit-max-requests-jitter",
    type=click.IntRange(min=0),
    metavar="N",
    help="Up to so many requests more, by chance for each worker.  [default: 0]",
)
@option(
    "--backlog",
    type=_POSITIVE,
    metavar="N",
    help="Connections the kernel holds until they are accepted.  [default: 2048]",
)
@option(
    "--strict-host",
    is_flag=True,
    default=None,
    help="Behind FastCGI alone: refuse to start when it lacks what a site needs.  [default: tell]",
)
@option(
    "--forwarded-allow-ips",
    envvar=("FORWARDED_ALLOW_IPS",),
    metavar="LIST",
    help="Proxies to believe: addresses, networks, unix:, or *.  [default: loopback and Unix sockets]",
)
@option("--ssl-certfile", type=click.Path(exists=True, dir_okay=False), help="PEM file with the certificate.")
@option("--ssl-keyfile", type=click.Path(exists=True, dir_okay=False), help="PEM file with the key, if it is another.")
@click.pass_context
def command(ctx: click.Context, /, target: str | None, **said: Any) -> None:
    from penstock.tools.running import run

    name = _default_target(ctx) if target is None else target
    decided = {**_places(ctx, said), **_workers(ctx, said), "access_log": _access_log(ctx, said)}
    ctx.exit(run(name, {**said, **decided}))


def _default_target(ctx: click.Context) -> str:
    if not Path("penstock.toml").is_file():
        text = "What is to be served? Name a site file, an application (shop.api:app) or a folder; `penstock init` writes a site file."
        raise click.UsageError(text, ctx)
    return "penstock.toml"


def _places(ctx: click.Context, said: Mapping[str, Any]) -> dict[str, Any]:
    """Where to listen, as the command line has it, else the environment; in the end PORT, as gunicorn has it."""
    import os

    sources = {name: ctx.get_parameter_source(name) for name in _PLACES}
    if ParameterSource.COMMANDLINE in sources.values():
        return {name: said[name] if source is ParameterSource.COMMANDLINE else None for name, source in sources.items()}
    is_named = ParameterSource.ENVIRONMENT in sources.values() or "PENSTOCK_SERVER__LISTEN" in os.environ
    if is_named or not (port := os.environ.get("PORT")):
        return {}
    if not (port.isascii() and port.isdigit() and int(port) <= 65535):
        raise click.UsageError(f"PORT is {port!r}, which is not a whole number from 0 to 65535.", ctx)
    return {"host": "0.0.0.0", "port": int(port)}


def _workers(ctx: click.Context, said: Mapping[str, Any]) -> dict[str, Any]:
    """WEB_CONCURRENCY is often there for every server: it says nothing where something was said that is meant for us."""
    import os

    if said["workers"] is None:
        return {}
    if _find_variable(next(each for each in ctx.command.params if each.name == "workers"), ctx) == "WEB_CONCURRENCY":
        is_decided = said["reload"] or "PENSTOCK_SERVER__WORKERS" in os.environ
        return {"workers": None} if is_decided else {}
    if said["reload"]:
        told = "--reload serves with one process, which is started anew: leave out --reload, or --workers."
        raise click.UsageError(f"{told} With workers, `watch = true` in [server] replaces them as code changes.", ctx)
    return {}


def _access_log(ctx: click.Context, said: Mapping[str, Any]) -> bool | None:
    """PENSTOCK_NO_ACCESS_LOG is there too, so that every option has its variable."""
    import os

    text = os.environ.get("PENSTOCK_NO_ACCESS_LOG", "")
    if said["access_log"] is not None or not text:
        wanted: bool | None = said["access_log"]
        return wanted
    return not click.BOOL.convert(text, None, ctx)
