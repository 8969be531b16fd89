"""The rows of guests: Penstock within another server, beside what that server runs otherwise."""

from dataclasses import replace

from benchmarks.bench.exchanges import FROM_A_SHOP, STARLETTE_ANSWER
from benchmarks.bench.model import REQUESTS, Case, Exchange, Rival
from benchmarks.bench.recipes import granian
from benchmarks.bench.wrk import Wrk

PENSTOCK_RSGI = replace(granian("rsgi", "guest_rsgi:application"), name="penstock on granian", venv="ours")
STARLETTE = replace(granian("asgi", "five_middlewares:build", "--factory"), name="starlette on granian")

GUEST_CASES = (
    Case(
        name="guest-rsgi",
        title="plain function behind five modules on granian (RSGI); Starlette behind five middlewares on granian (ASGI)",
        metric=REQUESTS,
        load=Wrk(),
        exchange=Exchange(path="/items/7", headers=FROM_A_SHOP, expected=STARLETTE_ANSWER),
        ours=PENSTOCK_RSGI,
        # What granian needs itself for a request is more than half of both: with nothing of ours it would be 1.5.
        rivals=(Rival(recipe=STARLETTE, pure=1.5, compiled=1.5, aim=1.5),),
    ),
)
