"""This file is the command line's front door: it finds the command, and turns what it raises into words and an exit code."""

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeVar

import click

from penstock.errors import ConfigurationError, StartupError

T = TypeVar("T")

# Each command is a module of this package that is imported only when it is called: start-up time is measured.
COMMANDS = (
    "serve", "check", "explain", "stages", "trace", "init",
    "status", "workers", "pools", "requests", "stacks", "diff", "reload", "recycle", "scale", "drain", "resume",
)  # fmt: skip

EXIT_CODES = """\b
Exit codes:
  0  stopped as asked
  1  a bug in Penstock
  2  a mistake in a site file, an option or the environment
  3  an application or a module failed to start; its traceback is shown
"""


class Refused(click.ClickException):
    """A configuration that cannot be used: every mistake on a line of its own, exit code 2."""

    exit_code = 2

    def __init__(self, error: ConfigurationError) -> None:
        super().__init__(str(error))
        self._problems = error.problems

    def show(self, file: Any = None) -> None:
        for problem in self._problems:
            click.echo(str(problem), file=file or sys.stderr)


class FailedToStart(click.ClickException):
    """An application that failed to start: its traceback and nothing else, exit code 3."""

    exit_code = 3

    def __init__(self, error: StartupError) -> None:
        super().__init__(str(error))
        self._error = error

    def show(self, file: Any = None) -> None:
        from penstock.server.tracebacks import traceback_of

        click.echo(traceback_of(self._error), file=file or sys.stderr, nl=False)


class Commands(click.Group):
    """The commands, each imported when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"penstock.tools.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise click.UsageError(_unknown(args[0]), ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        return in_words(lambda: super(Commands, self).invoke(ctx))


def in_words(call: Callable[[], T]) -> T:
    """What `call` returns; what it raises is turned into what the person at the keyboard is shown."""
    try:
        return call()
    except ConfigurationError as error:
        raise Refused(error) from error
    except StartupError as error:
        raise FailedToStart(error) from error


def _unknown(name: str) -> str:
    if ":" in name or name.endswith(".toml"):
        return f"There is no command {name!r}. Did you mean `penstock serve {name}`?"
    from penstock.settings.names import find_nearest

    nearest = find_nearest(name, COMMANDS)
    known = f"Did you mean {nearest!r}?" if nearest else f"There are: {', '.join(COMMANDS)}."
    return f"There is no command {name!r}. {known}"


def _show_version(ctx: click.Context, _parameter: click.Parameter, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        from penstock.tools.startup import version_line

        click.echo(version_line())
        ctx.exit()


@click.command(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=EXIT_CODES,
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version, help="Say the version."
)
def main() -> None:
    """Penstock serves Python applications, files and functions through one request pipeline."""
