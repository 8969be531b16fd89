"""The tour site over real sockets: every kind of answer, and what they have in common."""

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from tests.tour_site import running_tour

STAGES = "begin, authenticate, authorize, resolve_cache, map_handler, acquire_state, pre_execute, execute, release_state, update_cache, log, end"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_tour(tmp_path_factory.mktemp("site")) as address:
        yield address


@pytest.fixture
def client(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, timeout=20) as client:
        yield client


class TestOverview:
    def test_says_what_is_where(self, client: httpx.Client) -> None:
        page = client.get("/")
        assert page.status_code == 200
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        for path in ("/admin/", "/api/docs", "/flask/", "/files/", "/chat/", "/hello/Ada"):
            assert f'href="{path}"' in page.text

    def test_every_link_on_it_leads_somewhere(self, client: httpx.Client) -> None:
        links = set(re.findall(r'(?:href|src)="(/[^"#]*)"', client.get("/").text))
        assert len(links) > 6
        assert {link: client.get(link, follow_redirects=True).status_code for link in links} == dict.fromkeys(
            links, 200
        )

    def test_shows_the_stages_passed_so_far(self, client: httpx.Client) -> None:
        page = client.get("/").text
        assert '<li class="passed">begin</li>' in page
        assert '<li class="passed now" aria-current="step">execute</li>' in page
        assert '<li class="">end</li>' in page

    def test_shows_the_last_requests(self, client: httpx.Client) -> None:
        client.get("/hello/Grace")
        assert "<code>GET /hello/Grace</code></td><td>200</td>" in client.get("/").text

    def test_what_visitors_send_is_escaped(self, client: httpx.Client) -> None:
        client.get("/hello/%3Cscript%3E")
        page = client.get("/").text
        assert "/hello/&lt;script&gt;" in page
        assert "<script>" not in page


@pytest.mark.parametrize(
    "path",
    ["/", "/hello/Ada", "/admin/login/", "/api/levels", "/flask/", "/files/notes.txt", "/nowhere", "/api/nowhere"],
)
def test_every_answer_shows_the_stages_it_passed(client: httpx.Client, path: str) -> None:
    shown = client.get(path).headers["x-stages"]
    assert shown.startswith("begin, authenticate, authorize")
    if path != "/nowhere":
        assert shown in {STAGES, STAGES.partition(", release_state")[0]}  # one that streams leaves in EXECUTE


class TestFunction:
    def test_the_name_comes_from_the_path(self, client: httpx.Client) -> None:
        answer = client.get("/hello/J%C3%B6rg")
        assert answer.text == "Hello, Jörg!\n"
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"

    def test_other_methods_are_refused(self, client: httpx.Client) -> None:
        answer = client.post("/hello/Ada")
        assert answer.status_code == 405
        assert "GET" in answer.headers["allow"]

    def test_head(self, client: httpx.Client) -> None:
        answer = client.head("/hello/Ada")
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["content-length"] == str(len("Hello, Ada!\n"))


class TestDjango:
    def test_its_links_know_where_it_is_mounted(self, client: httpx.Client) -> None:
        answer = client.get("/admin/")
        assert answer.status_code == 302
        assert answer.headers["location"] == "/admin/login/?next=/admin/"

    def test_its_style_sheets_are_files(self, client: httpx.Client) -> None:
        page = client.get("/admin/login/").text
        links = re.findall(r'(?:href|src)="(/static/[^"]+)"', page)
        assert links
        for link in links:
            answer = client.get(link)
            assert (answer.status_code, answer.headers["cache-control"]) == (200, "public, max-age=3600")
            assert client.get(link, headers={"if-none-match": answer.headers["etag"]}).status_code == 304

    def test_signing_in_and_adding_a_mill(self, client: httpx.Client) -> None:
        overview = client.get("/").text
        user, password = (re.findall(rf'<code id="{name}">(.*?)</code>', overview)[0] for name in ("user", "password"))
        page = client.get("/admin/login/?next=/admin/")
        form = {"username": user, "password": password, "next": "/admin/", "csrfmiddlewaretoken": _token(page)}
        answer = client.post("/admin/login/?next=/admin/", data=form)
        assert (answer.status_code, answer.headers["location"]) == (302, "/admin/")
        page = client.get("/admin/mills/mill/add/")
        mill = {
            "name": "New Mill", "river": "Brenne", "built": "2020", "head": "4.5", "csrfmiddlewaretoken": _token(page),
            "readings-TOTAL_FORMS": "0", "readings-INITIAL_FORMS": "0",
        }  # fmt: skip
        answer = client.post("/admin/mills/mill/add/", data=mill)
        assert (answer.status_code, answer.headers["location"]) == (302, "/admin/mills/mill/")
        assert "New Mill" in client.get("/admin/mills/mill/").text

    def test_the_rules_of_its_location(self, client: httpx.Client) -> None:
        assert client.get("/admin/login/").headers["cache-control"] == "private"
        assert client.post("/admin/login/", content=b"x" * 1_000_001).status_code == 413


class TestFastAPI:
    def test_its_documentation_needs_no_other_server(self, client: httpx.Client) -> None:
        page = client.get("/api/docs").text
        assets = re.findall(r'(?:href|src)="([^"]+)"', page)
        assert len(assets) >= 2
        assert {asset: client.get(asset).status_code for asset in assets} == dict.fromkeys(assets, 200)

    def test_its_description_names_the_mount(self, client: httpx.Client) -> None:
        description = client.get("/api/openapi.json").json()
        assert description["servers"] == [{"url": "/api"}]

    def test_state_of_the_lifespan(self, client: httpx.Client) -> None:
        assert client.post("/api/levels", json={"mill": "Test Mill", "metres": 2.5}).status_code == 201
        assert client.get("/api/levels/Test%20Mill").json() == {"mill": "Test Mill", "metres": 2.5}

    def test_a_wrong_model_is_refused(self, client: httpx.Client) -> None:
        assert client.post("/api/levels", json={"mill": "", "metres": "deep"}).status_code == 422

    def test_the_answer_does_not_wait_for_the_background_task(self, client: httpx.Client) -> None:
        answer = client.post("/api/reports/Long%20Weir")
        assert answer.status_code == 202
        assert answer.elapsed.total_seconds() < 1
        assert client.get("/api/reports").json()[-1]["state"] == "being written"

    def test_server_sent_events_arrive_one_by_one(self, client: httpx.Client) -> None:
        with client.stream("GET", "/api/levels/stream") as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            pieces = list(answer.iter_text())
        assert len(pieces) == 3
        assert pieces[0].startswith("event: level\ndata: Long Weir")


class TestFlask:
    def test_its_links_know_where_it_is_mounted(self, client: httpx.Client) -> None:
        page = client.get("/flask/").text
        assert 'action="/flask/"' in page
        assert "mounted at <code>/flask</code>" in page
        assert re.search(r"by Flask \d[\d.]+ in process \d+ of the pool <code>power</code>", page)

    def test_the_query_arrives(self, client: httpx.Client) -> None:
        assert "<strong>98.1 kW</strong>" in client.get("/flask/?head=10&flow=1&efficiency=1").text


class TestFiles:
    def test_the_default_document(self, client: httpx.Client) -> None:
        assert "<h1>A folder of files</h1>" in client.get("/files/").text
        answer = client.get("/files")
        assert (answer.status_code, httpx.URL(answer.headers["location"]).path) in {(301, "/files/"), (308, "/files/")}

    def test_a_range(self, client: httpx.Client) -> None:
        answer = client.get("/files/notes.txt", headers={"range": "bytes=2-9"})
        assert (answer.status_code, answer.text) == (206, "penstock")

    def test_the_compressed_twin(self, client: httpx.Client) -> None:
        small = client.get("/files/levels.csv", headers={"accept-encoding": "gzip"})
        plain = client.get("/files/levels.csv", headers={"accept-encoding": "identity"})
        assert small.headers["content-encoding"] == "gzip"
        assert "content-encoding" not in plain.headers
        assert small.text == plain.text
        assert int(small.headers["content-length"]) < int(plain.headers["content-length"])

    @pytest.mark.parametrize(
        "path", ["/../penstock.toml", "/files/..%2f..%2fpenstock.toml", "/tour/pages.py", "/var/secret-key"]
    )
    def test_nothing_outside_of_the_root(self, address: str, path: str) -> None:
        assert httpx.get(httpx.URL(address, raw_path=path.encode())).status_code in {400, 403, 404}


WAYS = {"/chat/room": "A plain coroutine", "/api/chat": "FastAPI", "/admin/chat/": "Django Channels"}


def enter(address: str, path: str, *, origin: str | None = "", cookie: str = "") -> ClientConnection:
    """Into the room by the way `path`, as the page of this address does, or another `origin`."""
    headers = {"cookie": cookie} if cookie else None
    sent = Origin(address) if origin == "" else None if origin is None else Origin(origin)
    address = address.replace("http", "ws", 1)
    return connect(f"{address}{path}", origin=sent, additional_headers=headers, proxy=None)


def next_of(websocket: ClientConnection, kind: str) -> dict[str, Any]:
    while True:
        told: dict[str, Any] = json.loads(websocket.recv(timeout=20))
        if told["kind"] == kind:
            return told


class TestChat:
    def test_the_page_has_no_script_or_style_of_its_own(self, client: httpx.Client) -> None:
        page = client.get("/chat/")
        assert page.headers["content-security-policy"] == "default-src 'self'"
        assert re.findall(r"<script(?! src=)|<style|\son\w+=|\sstyle=", page.text) == []
        assert re.findall(r'name="way" value="([^"]+)"', page.text) == list(WAYS)

    def test_who_comes_by_any_way_hears_who_came_by_another(self, address: str) -> None:
        with ExitStack() as stack:
            inside = {path: stack.enter_context(enter(address, path)) for path in WAYS}
            for path, websocket in inside.items():
                websocket.send(json.dumps({"name": "Ada", "text": f"by {path}"}))
                for listening in inside.values():
                    said = next_of(listening, "said")
                    assert (said["name"], said["text"], said["way"]) == ("Ada", f"by {path}", WAYS[path])
            late = stack.enter_context(enter(address, "/chat/room"))
            assert [next_of(late, "said")["text"] for _ in WAYS] == [f"by {path}" for path in WAYS]
        assert [websocket.close_code for websocket in inside.values()] == [1000] * 3

    @pytest.mark.parametrize("path", WAYS)
    def test_what_cannot_be_read_is_told_to_who_sent_it(self, address: str, path: str) -> None:
        with enter(address, path) as websocket:
            for text in ("hello", "[]", '{"text": 1}', json.dumps({"name": "Ada", "text": "x" * 501})):
                websocket.send(text)
                assert next_of(websocket, "refused")["text"]

    @pytest.mark.parametrize("path", ["/chat/room", "/admin/chat/"])
    def test_the_limit_of_its_location(self, address: str, path: str) -> None:
        with enter(address, path) as websocket:
            websocket.send(json.dumps({"name": "Ada", "text": "x" * 4000}))
            with pytest.raises(ConnectionClosed) as caught:
                while True:
                    websocket.recv(timeout=20)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1009

    def test_cookies_of_the_admin_open_no_socket_for_other_pages(self, address: str) -> None:
        for origin in ("https://elsewhere.example", None):
            with pytest.raises(InvalidStatus) as caught:
                enter(address, "/admin/chat/", origin=origin)
            assert caught.value.response.status_code == 403

    def test_who_has_signed_in_speaks_under_that_name(self, client: httpx.Client, address: str) -> None:
        overview = client.get("/").text
        user, password = (re.findall(rf'<code id="{name}">(.*?)</code>', overview)[0] for name in ("user", "password"))
        page = client.get("/admin/login/?next=/admin/")
        form = {"username": user, "password": password, "next": "/admin/", "csrfmiddlewaretoken": _token(page)}
        client.post("/admin/login/?next=/admin/", data=form)
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in client.cookies.jar)
        with enter(address, "/admin/chat/", cookie=cookies) as websocket:
            websocket.send(json.dumps({"name": "Somebody else", "text": "It is me"}))
            while (said := next_of(websocket, "said"))["text"] != "It is me":
                pass
        assert (said["name"], said["known"]) == (user, True)

    def test_a_way_in_is_no_page(self, client: httpx.Client) -> None:
        assert {path: client.get(path).status_code for path in WAYS} == {
            "/chat/room": 400,
            "/api/chat": 404,
            "/admin/chat/": 426,
        }


def _token(page: httpx.Response) -> str:
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
    assert found is not None
    return found[1]
