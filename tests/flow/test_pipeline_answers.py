"""Whole journeys of answers and inputs that belong to no other page: pipeline A-03, E-06, E-14, L-03, O-01, O-11."""

import os
from pathlib import Path
from urllib.parse import quote

import pytest

from penstock import ConfigurationError, Context, Hooks, Stage
from penstock.server import open_client
from penstock.settings import ModuleSettings, SiteSettings
from tests.pipeline.subject import Attached, ask, on, open_site, run


class TestAnswer:
    def test_pipeline_o01_what_is_written_leaves_in_one_piece_with_its_length(self) -> None:
        def handler(context: Context) -> None:
            for _ in range(3):
                context.response.write(b"x" * 1024)

        answer = ask(open_site(function=handler))
        assert answer.pieces == [b"x" * 3072]

    def test_pipeline_o01_what_several_modules_write_leaves_as_one(self) -> None:
        def handler(context: Context) -> None:
            context.response.write("handler ")

        module = on(Stage.PRE_EXECUTE, lambda context: context.response.write("module "))
        assert ask(open_site(module, function=handler)).pieces == [b"module handler "]

    def test_pipeline_o11_a_file_is_judged_when_it_is_named(self, tmp_path: Path) -> None:
        told: list[str] = []

        def handler(context: Context) -> str:
            with pytest.raises(OSError, match="nothing here") as caught:
                context.response.send_file(tmp_path / "nothing here")
            told.append(str(caught.value))
            return "hello"

        assert ask(open_site(function=handler)).text == "hello"
        assert len(told) == 1

    def test_pipeline_o11_a_part_of_a_file_is_sent_without_being_read_whole(self, tmp_path: Path) -> None:
        # A hole of 1 GiB: held in memory it would be noticed.
        path = tmp_path / "large"
        with path.open("wb") as file:
            file.truncate(1 << 30)
            os.pwrite(file.fileno(), b"needle", 1 << 29)

        def handler(context: Context) -> None:
            context.response.send_file(path, 1 << 29, 6)

        answer = ask(open_site(function=handler))
        assert (answer.body, answer.headers["content-length"]) == (b"needle", "6")


class TestInput:
    def test_pipeline_l03_markup_is_accepted_as_it_was_sent(self) -> None:
        comment = "<b>hi</b> <script>&#97;</script>"

        async def handler(context: Context) -> str:
            form = await context.request.form()
            return f"{form['comment']} {context.request.query['q'][0]} {context.request.cookies['c']}"

        headers = {"content-type": "application/x-www-form-urlencoded", "cookie": "c=<b>"}
        answer = ask(
            open_site(function=handler),
            f"/?q={quote('<!doctype>')}",
            method="POST",
            headers=headers,
            body=f"comment={quote(comment)}".encode(),
        )
        assert answer.text == f"{comment} <!doctype> <b>"


class TestStart:
    def test_pipeline_a03_start_has_no_request_to_read(self) -> None:
        def attach(hooks: Hooks) -> None:
            hooks.on_start(lambda context: context.request)  # type: ignore[arg-type,misc]

        with pytest.raises(Exception, match="called with no argument"):
            ask(open_site(Attached(attach)))

    def test_pipeline_e06_what_the_first_request_needs_is_asked_for_before_it(self) -> None:
        site = SiteSettings(modules=(ModuleSettings(use="no_such_package:Module"),))
        with pytest.raises(ConfigurationError, match="no_such_package"):
            open_client(site)

    def test_pipeline_e14_what_was_out_of_reach_is_served_as_soon_as_it_is_back(self, tmp_path: Path) -> None:
        folder = tmp_path / "folder"
        folder.mkdir()
        (folder / "page.txt").write_text("here")

        async def journey() -> list[int]:
            async with open_client(SiteSettings(root=str(tmp_path))) as client:
                os.rename(folder, tmp_path / "elsewhere")
                seen = [(await client.get("/folder/page.txt")).status]
                os.rename(tmp_path / "elsewhere", folder)
                return [*seen, (await client.get("/folder/page.txt")).status]

        assert run(journey) == [404, 200]
