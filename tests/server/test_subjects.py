"""What can be handed over to be tested."""

import asyncio
from typing import Any

from penstock.server import open_client
from penstock.server.subjects import settings_of
from penstock.settings import RouteSettings, ServerSettings, Settings, SiteSettings


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        raise RuntimeError("no lifespan here")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"asgi"})


def wsgi(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    return [b"wsgi"]


def test_settings_stay_as_they_are() -> None:
    settings = Settings(sites=(SiteSettings(),))
    assert settings_of(settings, None) == (settings, {})


def test_quiet_defaults_and_their_replacement() -> None:
    settings, named = settings_of(asgi, None)
    assert settings.server.listen == ("127.0.0.1:0",)
    assert not settings.server.log.access
    assert list(named.values()) == [asgi]
    assert settings_of(SiteSettings(), ServerSettings(mode="development"))[0].server.mode == "development"


def test_client_for_every_shape() -> None:
    async def check() -> list[str]:
        site = SiteSettings(routes=(RouteSettings(at="/", function="x:function"),))
        texts = []
        for subject, objects in ((asgi, None), (wsgi, None), (site, {"x:function": lambda: "function"})):
            async with open_client(subject, objects=objects) as client:
                texts.append((await client.get("/")).text)
        return texts

    assert asyncio.run(check()) == ["asgi", "wsgi", "function"]
