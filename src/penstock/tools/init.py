"""This file is `penstock init`: it writes a commented site file for what it finds in a folder."""

from pathlib import Path

import click

from penstock.tools.discovery import Found, find_applications, find_static_folder

NAME = "penstock.toml"


@click.command("init")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path), default=".")
@click.option("--force", is_flag=True, help="Write over a site file that is there.")
def command(folder: Path, force: bool) -> None:
    """Write a site file for the applications in FOLDER (without it, the current one).

    Nothing is imported or run: Python files are read for Django, FastAPI, Starlette, Flask and the like, and folders
    named public or static are looked for.
    """
    target = folder / NAME
    if target.exists() and not force:
        raise click.UsageError(f"{target} is there already; --force writes over it.")
    found = find_applications(folder)
    static = find_static_folder(folder)
    target.write_text(site_file_text(found, static, has_src=_uses_src(found, folder)), "utf-8")
    for one in found:
        click.echo(f"found {one.framework}: {one.reference}")
    if static:
        click.echo(f"found files: {static}/")
    click.echo(f"wrote {target}. Next: penstock check {target}, then penstock serve {target}")


def site_file_text(found: list[Found], static: str | None, *, has_src: bool = False) -> str:
    """The site file as text: what was found, and comments that say what else there is."""
    apps = [_app_text(one, at) for one, at in zip(found, _mounts(found), strict=True)]
    parts = [_HEAD, f"app_dirs = {_list(['src', '.'] if has_src else ['.'])}{_APP_DIRS_COMMENT}", _LIMITS, _SITE]
    parts.append(f'root = "{static}"{_ROOT_COMMENT}' if static else f'# root = "public"{_ROOT_COMMENT}')
    return "\n".join([*parts, *(apps or [_NO_APP]), _TAIL])


def _mounts(found: list[Found]) -> list[str]:
    """Where each is put: the only one at the root; of several each at the name of its package, which is to be edited."""
    if len(found) == 1:
        return ["/"]
    mounts: list[str] = []
    for one in found:
        name = one.reference.partition(":")[0].split(".")[0]
        base = f"/{name}"
        candidates = [base, *(f"{base}-{number}" for number in range(2, len(found) + 2))]
        mounts.append(next(at for at in candidates if at not in mounts))
    return mounts


def _app_text(one: Found, at: str) -> str:
    lines = [
        "",
        "[[site.app]]" + f"                         # {one.framework}",
        f'at = "{at}"',
        f'{one.shape} = "{one.reference}"',
    ]
    if one.factory:
        lines.append("factory = true                       # it is called to get the application")
    if one.shape == "wsgi":
        lines.append("threads = 4                          # how many requests it may work on at once")
    return "\n".join(lines)


def _uses_src(found: list[Found], folder: Path) -> bool:
    return any(one.file.relative_to(folder).parts[0] == "src" for one in found)


def _list(names: list[str]) -> str:
    return "[" + ", ".join(f'"{name}"' for name in names) + "]"


_HEAD = """\
# What Penstock serves, and how. Every key is explained in docs/site-file.md.
#
#   penstock check penstock.toml      every mistake at once
#   penstock explain penstock.toml    what answers where
#   penstock serve penstock.toml

[server]
listen = ["127.0.0.1:8000"]          # also "[::]:8000", ":8000", "unix:/run/app.sock", "fd:3"
# mode = "development"               # error pages with tracebacks
# workers = 2                        # processes under a supervisor, or "auto"; else one process"""
_APP_DIRS_COMMENT = "                     # folders to import from, relative to this file"
_LIMITS = """
# [server.limits]
# body = 30_000_000                  # bytes; a location can have its own
# requests_inside = 1000             # more than these wait, and when too many wait the answer is 503

# [server.tls]
# certificate = "cert.pem"
# key = "key.pem"
"""
_SITE = """\
[[site]]
hosts = ["*"]                        # or names: ["example.org", "*.example.org"]"""
_ROOT_COMMENT = "                      # files for every path that nothing below answers"
_NO_APP = """
# [[site.app]]
# at = "/api"
# asgi = "shop.api:app"              # or wsgi = "...", or app = "..." (the shape is detected)"""
_TAIL = """
# [[site.route]]
# at = "/hello/{name}"
# function = "shop.pages:hello"      # a plain function; what it returns is sent

# [[site.route]]
# at = "/prices"
# websocket = "shop.pages:prices"    # a coroutine function; it is given the WebSocket

# [[site.module]]
# use = "shop.modules:Greeting"      # takes part in every request, whoever answers it

# [[site.location]]
# at = "/admin"                      # rules for everything below, whatever answers
# limits = { body = 1_000_000 }
# headers = { "x-frame-options" = "DENY" }
# websockets = { origins = ["https://example.org"] }    # whose pages may open one; else any
"""
