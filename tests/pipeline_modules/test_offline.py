"""The offline file: there, changed, gone, too large (pipeline E-07); and toggled while requests come (scenario 8)."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from penstock import Context, Hooks, Stage
from penstock.pipeline_modules.offline import MOST_BYTES, Offline
from penstock.server import open_client
from penstock.server.composition import compose_sites
from penstock.settings import AppSettings, ModuleSettings, RouteSettings, ServerSettings, Settings, SiteSettings
from penstock.testing import Client, ClientResponse
from tests.pipeline.subject import Recorder, ask, open_site, run, settle

SORRY = b"<h1>Back at noon</h1>"


async def ask_until(client: Client, status: int, path: str = "/") -> ClientResponse:
    """Ask again and again until the answer has that status; within a second it must have."""
    async with asyncio.timeout(1):
        while (answer := await client.get(path)).status != status:
            await settle(1)
    return answer


class TestOffline:
    def test_pipeline_e07_while_the_file_exists_everything_is_503(self, tmp_path: Path) -> None:
        file = tmp_path / "offline.html"
        log: list[str] = []

        def handler() -> str:
            log.append("handler")
            return "hello"

        async def journey() -> None:
            async with open_site(Offline(str(file)), function=handler) as client:
                assert (await client.get("/")).status == 200
                file.write_bytes(SORRY)
                answer = await ask_until(client, 503)
                assert answer.body == SORRY
                assert answer.headers["retry-after"] == "3600"
                assert answer.headers["content-type"] == "text/html; charset=utf-8"
                assert (await client.get("/nothing")).status == 503
                assert (await client.request("POST", "/", body=b"x")).status == 503
                log.clear()
                await client.get("/")
                assert log == []
                file.unlink()
                assert (await ask_until(client, 200)).text == "hello"

        run(journey)

    def test_pipeline_e07_a_file_that_is_there_at_start_counts_at_once(self, tmp_path: Path) -> None:
        file = tmp_path / "offline.html"
        file.write_bytes(SORRY)
        assert ask(open_site(Offline(str(file)))).body == SORRY

    def test_pipeline_e07_an_empty_file_is_an_empty_page(self, tmp_path: Path) -> None:
        file = tmp_path / "offline.html"
        file.touch()
        answer = ask(open_site(Offline(str(file), retry_after=60)))
        assert (answer.status, answer.body, answer.headers["retry-after"]) == (503, b"", "60")

    def test_pipeline_e07_another_page_replaces_the_first(self, tmp_path: Path) -> None:
        file = tmp_path / "offline.html"
        file.write_bytes(SORRY)

        async def journey() -> None:
            async with open_site(Offline(str(file))) as client:
                assert (await client.get("/")).body == SORRY
                (tmp_path / "new.html").write_bytes(b"tomorrow")
                os.replace(tmp_path / "new.html", file)
                async with asyncio.timeout(1):
                    while (await client.get("/")).body != b"tomorrow":
                        await settle(1)

        run(journey)

    def test_pipeline_e07_a_page_that_is_too_large_is_left_out_and_told(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        file = tmp_path / "offline.html"
        file.write_bytes(b"x" * (MOST_BYTES + 1))
        answer = ask(open_site(Offline(str(file))))
        assert (answer.status, answer.body) == (503, b"")
        assert str(MOST_BYTES) in caplog.text

    def test_pipeline_e07_a_folder_of_that_name_is_no_file(self, tmp_path: Path) -> None:
        assert ask(open_site(Offline(str(tmp_path)))).status == 200

    def test_pipeline_e07_the_final_stages_run(self, tmp_path: Path) -> None:
        file = tmp_path / "offline.html"
        file.write_bytes(SORRY)
        log: list[str] = []
        ask(open_site(Offline(str(file)), Recorder(log)))
        assert log == ["LOG", "LOG+", "END"]

    def test_pipeline_e07_a_site_file_names_it(self, tmp_path: Path) -> None:
        file = tmp_path / "offline.html"
        file.write_bytes(SORRY)
        site = SiteSettings(root=str(tmp_path), offline_file=str(file))
        assert ask(open_client(site), "/offline.html").body == SORRY

    def test_bad_retry_after_is_refused(self) -> None:
        with pytest.raises(ValueError, match="-1"):
            Offline("x", retry_after=-1)


class TestApplications:
    """The maintenance page of one application; the rest of the site goes on."""

    def test_pipeline_e07_only_what_is_the_applications_own(self, tmp_path: Path) -> None:
        file = tmp_path / "shop.html"
        site = SiteSettings(
            apps=(
                AppSettings(at="/", app="name:front"),
                AppSettings(at="/shop", app="name:shop", offline_file=str(file)),
                AppSettings(at="/shop/blog", app="name:blog", offline_file=str(tmp_path / "blog.html")),
            ),
            routes=(RouteSettings(at="/shop/news", function="name:news"),),
        )
        objects = {f"name:{name}": answering(name) for name in ("front", "shop", "blog", "news")}
        paths = ("/", "/shopping", "/shop", "/shop/cart", "/shop/blog", "/shop/news")
        names = ("front", "front", "shop", "shop", "blog", "news")

        async def journey() -> None:
            async with open_client(site, objects=objects) as client:
                assert [(await client.get(path)).text for path in paths] == list(names)
                file.write_bytes(SORRY)
                answer = await ask_until(client, 503, "/shop")
                assert (answer.body, answer.headers["retry-after"]) == (SORRY, "3600")
                bodies = [(await client.get(path)).text for path in paths]
                assert bodies == [SORRY.decode() if name == "shop" else name for name in names]
                (tmp_path / "blog.html").write_bytes(b"no blog")
                assert (await ask_until(client, 503, "/shop/blog")).body == b"no blog"
                file.unlink()
                assert (await ask_until(client, 200, "/shop/cart")).text == "shop"
                assert (await client.get("/shop/blog")).status == 503

        run(journey)

    def test_pipeline_e07_what_counts_is_where_a_rewritten_path_leads(self, tmp_path: Path) -> None:
        file = tmp_path / "shop.html"
        file.write_bytes(SORRY)
        site = SiteSettings(
            apps=(AppSettings(at="/shop", app="name:shop", offline_file=str(file)),),
            routes=(RouteSettings(at="/open", function="name:open"),),
            modules=(ModuleSettings(use="name:Rewriting"),),
        )
        objects = {"name:shop": answering("shop"), "name:open": answering("open"), "name:Rewriting": Rewriting}
        for path, status in (("/old", 503), ("/shop/away", 200), ("/shop", 503), ("/open", 200)):
            assert ask(open_client(site, objects=objects), path).status == status

    def test_pipeline_e07_one_that_does_not_start_has_its_page_too(self, tmp_path: Path) -> None:
        file = tmp_path / "shop.html"
        file.write_bytes(SORRY)

        async def failing(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "lifespan.startup.failed", "message": "no database"})

        apps = (AppSettings(at="/shop", asgi="name:shop", offline_file=str(file)),)
        settings = Settings(server=ServerSettings(start_failure="retry"), sites=(SiteSettings(apps=apps),))

        async def journey() -> None:
            async with open_client(settings, objects={"name:shop": failing}) as client:
                assert (await client.get("/shop")).body == SORRY
                file.unlink()
                async with asyncio.timeout(1):
                    while (answer := await client.get("/shop")).body == SORRY:
                        await settle(1)
                assert (answer.status, answer.headers["retry-after"]) == (503, "10")

        run(journey)

    def test_without_such_a_file_nothing_takes_part(self) -> None:
        (site,) = compose_sites(
            Settings(sites=(SiteSettings(apps=(AppSettings(at="/", app="name:a"),)),)), {"name:a": answering("a")}
        )
        assert site.modules == ()


class Rewriting:
    def attach(self, hooks: Hooks) -> None:
        hooks.on(Stage.BEGIN, self.begin)

    def begin(self, context: Context) -> None:
        where = {"/old": "/shop/new", "/shop/away": "/open"}
        if context.request.path in where:
            context.rewrite(where[context.request.path])


def answering(text: str) -> Callable[[], str]:
    return lambda: text


def test_scenario_08_toggled_under_load(tmp_path: Path) -> None:
    file = tmp_path / "offline.html"

    async def handler(context: Context) -> str:
        await asyncio.sleep(0)
        return "a whole answer"

    async def journey() -> dict[tuple[int, bytes], int]:
        seen: dict[tuple[int, bytes], int] = {}
        is_over = asyncio.Event()

        async def load(client: Client) -> None:
            while not is_over.is_set():
                answer = await client.get("/")
                assert not answer.is_aborted
                seen[answer.status, answer.body] = seen.get((answer.status, answer.body), 0) + 1
                await asyncio.sleep(0)

        async with open_site(Offline(str(file)), function=handler) as client:
            clients = [asyncio.create_task(load(client)) for _ in range(20)]
            for _ in range(3):
                await toggle(file, lambda: ask_until(client, 503), lambda: ask_until(client, 200))
            is_over.set()
            await asyncio.gather(*clients)
            assert client.runtime.statistics().executing == 0
        return seen

    seen = run(journey)
    assert set(seen) == {(200, b"a whole answer"), (503, SORRY)}


async def toggle(
    file: Path, wait_offline: Callable[[], Awaitable[object]], wait_online: Callable[[], Awaitable[object]]
) -> None:
    # Put there whole: a page that is still being written would be sent as far as it goes.
    new = file.with_suffix(".new")
    new.write_bytes(SORRY)
    os.replace(new, file)
    await wait_offline()
    os.unlink(file)
    await wait_online()
