"""The rows of an ASGI middleware in a stage, beside the same one around the same application on uvicorn."""

from dataclasses import replace

from benchmarks.apps.hello_asgi import GREETING
from benchmarks.bench.model import COST, REQUESTS, Case, Exchange, Rival
from benchmarks.bench.recipes import penstock_site, uvicorn
from benchmarks.bench.wrk import Wrk

HELLO = Exchange(expected=GREETING)
STAGED = penstock_site("staged")
WRAPPED = uvicorn("one_middleware:build", "--factory")

STAGED_CASES = (
    Case(
        name="staged-asgi",
        title="ASGI, 13 bytes, behind one ASGI middleware in a stage; around the application on uvicorn",
        metric=REQUESTS,
        load=Wrk(),
        exchange=HELLO,
        ours=STAGED,
        rivals=(Rival(recipe=WRAPPED, pure=1.0, compiled=1.0),),
    ),
    Case(
        name="staged-cost",
        title="what that middleware adds: a request with it, less one without it",
        metric=COST,
        load=Wrk(),
        exchange=HELLO,
        ours=replace(STAGED, without=penstock_site("unstaged")),
        rivals=(Rival(recipe=replace(WRAPPED, without=uvicorn("hello_asgi:hello")), pure=1.0, compiled=1.0),),
        rounds=5,
    ),
)
