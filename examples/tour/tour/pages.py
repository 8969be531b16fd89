"""This file is the tour's plain functions: the overview page and a greeting."""

import sys
from html import escape
from pathlib import Path
from string import Template

from penstock import Context, Stage
from tour.demonstration import PASSWORD, USER
from tour.modules import recent, stages_of

PAGE = Template(Path(__file__).with_name("overview.html").read_text("utf-8"))


def hello(name: str) -> str:
    """A greeting. What is returned as text is sent as text."""
    return f"Hello, {name}!\n"


def overview(context: Context) -> None:
    """What is where, on one page."""
    page = PAGE.substitute(
        user=escape(USER),
        password=escape(PASSWORD),
        python=".".join(map(str, sys.version_info[:2])),
        origin=escape(f"{context.request.scheme}://{context.request.headers.get('host', 'localhost')}"),
        stages=_stages(stages_of(context)),
        recent=_recent(),
    )
    context.response.headers["content-type"] = "text/html; charset=utf-8"
    context.response.headers["cache-control"] = "no-store"
    context.response.write(page)


def _stages(passed: list[str]) -> str:
    """The twelve stages as list items; those this request has passed are marked."""
    return "\n".join(_stage(stage.name.lower(), passed) for stage in Stage)


def _stage(name: str, passed: list[str]) -> str:
    kind = "passed now" if passed and name == passed[-1] else "passed" if name in passed else ""
    current = ' aria-current="step"' if kind == "passed now" else ""
    return f'<li class="{kind}"{current}>{name}</li>'


def _recent() -> str:
    """The last requests as table rows."""
    if not recent:
        return '<tr><td colspan="3" class="few">None yet. Look around, then come back.</td></tr>'
    return "\n".join(
        f"<tr><td><code>{escape(one.method)} {escape(one.path)}</code></td><td>{one.status}</td>"
        f"<td>{escape(', '.join(one.stages))}</td></tr>"
        for one in recent
    )
