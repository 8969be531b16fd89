"""What the tests of error answers ask: a site with error pages, put together without a site file."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from penstock import Context, Hooks
from penstock.pipeline.error_pages import ErrorPage, ErrorPages, PageRule, function_page
from penstock.pipeline.handler import execute_step
from penstock.pipeline.location import Location
from penstock.pipeline.routes import Template
from penstock.pipeline.site import PipelineSite
from penstock.pipeline.target import Target
from penstock.request_handlers.functions import function_handler
from penstock.settings import LimitSettings
from penstock.testing import Client
from tests.pipeline.subject import Attached

HTML = {"accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}
JSON = {"accept": "application/json"}
PROBLEM = {"accept": "application/problem+json"}

Functions = Mapping[str, Callable[..., object]]


def rule(page: ErrorPage, *ranges: Sequence[int]) -> PageRule:
    """`page` for statuses: `[404]`, `range(500, 600)`."""
    return PageRule([frozenset(each) for each in ranges], page)


def page_of(function: Callable[..., object]) -> ErrorPage:
    """The page that a plain function makes, given what it asks for."""
    return function_page("tested:page", execute_step(function_handler(function)))


def targets_of(functions: Functions) -> list[Target]:
    """Routes with one function each."""
    found = []
    for at, function in functions.items():
        template = Template(at)
        execute = execute_step(function_handler(function, template.names))
        found.append(Target(f"function {at}", at, execute, template=template, handler=function))
    return found


def open_pages(
    *rules: PageRule,
    functions: Functions,
    modules: Sequence[Attached] = (),
    error_format: str = "negotiated",
    locations: Sequence[Location] = (),
    is_development: bool = False,
    more_routes: Sequence[Target] = (),
    **site: Any,
) -> Client:
    """A client of a site whose "/" has `rules`; `functions` by path, `more_routes` as they are, `site` as in `PipelineSite`."""
    attached = []
    for number, module in enumerate(modules):
        hooks = Hooks(f"Module{number}")
        module.attach(hooks)
        attached.append(hooks)
    pages = ErrorPages([rules]) if rules else None
    whole = PipelineSite(
        modules=attached,
        routes=[*targets_of(functions), *more_routes],
        locations=[Location("/", error_pages=pages, error_format=error_format), *locations],
        is_development=is_development,
        **site,
    )
    return Client([whole], limits=LimitSettings())


def boom(context: Context) -> object:
    """A handler with a bug, whose message holds a secret."""
    raise ValueError("the password is swordfish")


def logged_id(caplog: pytest.LogCaptureFixture) -> str:
    """The error id that the first failure has in the log."""
    (record, *_) = [each for each in caplog.records if each.exc_info]
    return record.getMessage().split("error id ")[1]


def failures(caplog: pytest.LogCaptureFixture) -> list[object]:
    """The errors that the log has tracebacks of."""
    return [each.exc_info[1] for each in caplog.records if each.exc_info]
