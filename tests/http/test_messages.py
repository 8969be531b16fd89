"""The heads of a request and of a response as plain values."""

from penstock.http.messages import CHUNKED, LAST, PLAIN, Framing, RequestHead, RequestLine, ResponseHead


def line(method: str = "GET", version: str = "1.1") -> RequestLine:
    return RequestLine(method, b"/a%20b?c", b"/a%20b", "/a b", query=b"c", version=version)


def test_a_line_knows_what_is_asked_often() -> None:
    assert (line().is_head, line().is_1_0) == (False, False)
    assert (line("HEAD", "1.0").is_head, line("HEAD", "1.0").is_1_0) == (True, True)
    assert not line("head").is_head  # RFC 9110 section 9.1: methods are case-sensitive


def test_framing_by_default_is_no_body_and_a_connection_that_stays() -> None:
    for framing, keeps in ((Framing(), True), (PLAIN, True), (LAST, False)):
        assert (framing.content_length, framing.keep_alive) == (0, keeps)
        assert (framing.expects_continue, framing.is_upgrade, framing.is_forwarded) == (False, False, False)


def test_a_head_shows_what_its_line_and_its_framing_say() -> None:
    framing = Framing(content_length=CHUNKED, keep_alive=False, expects_continue=True, is_upgrade=True)
    head = RequestHead(line(), [(b"x", b"1"), (b"x", b"2")], b"Shop:80", "shop", framing)
    assert (head.method, head.target, head.version) == ("GET", b"/a%20b?c", "1.1")
    assert (head.raw_path, head.path, head.query) == (b"/a%20b", "/a b", b"c")
    assert (head.content_length, head.keep_alive, head.expects_continue, head.is_upgrade) == (-1, False, True, True)
    assert (head.authority, head.host, head.block) == (b"Shop:80", "shop", b"")
    assert (head.find(b"x"), head.find(b"y")) == (b"1", None)


def test_the_headers_of_a_response_write_through() -> None:
    head = ResponseHead(404, [(b"x-one", b"1")])
    head.headers["X-Two"] = "2"
    assert (head.status, head.reason_phrase) == (404, b"")
    assert head.raw_headers == [(b"x-one", b"1"), (b"x-two", b"2")]
