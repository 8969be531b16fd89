"""What answers in place of a pool that is off."""

import asyncio

import msgspec
import pytest

from penstock.settings import AppSettings, ServerSettings, Settings, SiteSettings
from penstock.supervisor.messages import Start
from penstock.supervisor.stand_in import stand_in
from penstock.testing import Client

SETTINGS = Settings(
    server=ServerSettings(listen=("127.0.0.1:0",), headers={"x-shop": "yes"}, app_dirs=("/nowhere",)),
    sites=(
        SiteSettings(hosts=("shop.example",), apps=(AppSettings(at="/", asgi="nowhere_to_be_found:app"),)),
        SiteSettings(hosts=("*.example",)),
    ),
)
START = Start(
    settings=msgspec.Raw(b"{}"),
    sockets=(),
    pool="default",
    slot=0,
    generation=1,
    unavailable="5 crashes",
    retry_after=17,
)


@pytest.mark.parametrize("host", ["shop.example", "other.example"])
@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("POST", "/a/b/c"), ("DELETE", "/x")])
def test_pipeline_w05_everything_is_503_with_the_time_of_the_next_try_and_no_reason(
    method: str, path: str, host: str
) -> None:
    async def journey() -> None:
        server = stand_in(START, SETTINGS)
        async with Client(server.sites, limits=SETTINGS.server.limits) as client:
            answer = await client.request(method, path, headers=[("host", host)])
            assert answer.status == 503
            assert answer.headers["retry-after"] == "17"
            assert answer.headers["cache-control"] == "no-store"
            assert "not available at the moment" in answer.text
            assert "crashes" not in answer.text  # why is for the log, and for who may ask the control socket

    asyncio.run(journey())


def test_a_host_that_nobody_serves_stays_one() -> None:
    async def journey() -> None:
        server = stand_in(START, SETTINGS)
        async with Client(server.sites, limits=SETTINGS.server.limits) as client:
            assert (await client.get("/", headers=[("host", "example.com")])).status == 421

    asyncio.run(journey())


@pytest.mark.parametrize("pool", ["default", "reports"])
def test_a_request_is_recorded_once_by_the_front(pool: str) -> None:
    server = stand_in(msgspec.structs.replace(START, pool=pool), SETTINGS)
    assert server.settings.server.log.access is (pool == "default")
