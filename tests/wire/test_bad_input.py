"""Bad-input rows 1 to 41: every case of the corpus, delivered in every way, over real sockets."""

from collections.abc import Iterator
from functools import partial

import pytest

from penstock.server import ServerThread
from tests.wire.bad_input_cases import DELIVERIES, GOOD, Case, read_cases
from tests.wire.echo_application import EchoApplication, Seen
from tests.wire.raw_client import Answer, RawClient

Address = tuple[str, int]
TURNS_FOR = 400  # bytes; more would only cost time
CASES = [
    pytest.param(case, delivery, id=f"{case.name}-{delivery}") for case in read_cases() for delivery in case.deliveries
]


@pytest.fixture(scope="module")
def application() -> EchoApplication:
    return EchoApplication()


@pytest.fixture(scope="module")
def server(application: EchoApplication) -> Iterator[ServerThread]:
    with ServerThread(application) as server:
        yield server


@pytest.fixture(scope="module")
def address(server: ServerThread) -> Address:
    return server.address


@pytest.fixture
def bystander(address: Address) -> Iterator[RawClient]:
    """A connection of somebody else, which must not notice anything."""
    with RawClient(address) as client:
        yield client


class TestCorpus:
    def test_every_row_has_cases(self) -> None:
        assert {case.row for case in read_cases()} == set(range(1, 42))

    def test_every_case_says_what_it_is(self) -> None:
        assert [case.name for case in read_cases() if not (case.title and case.source and case.status)] == []

    def test_no_two_cases_are_the_same(self) -> None:
        requests = [(case.request, case.half_close) for case in read_cases()]
        assert len(requests) == len(set(requests))

    @pytest.mark.parametrize("delivery", DELIVERIES)
    def test_no_delivery_changes_a_byte(self, delivery: str) -> None:
        before = GOOD if delivery == "pipelined" else b""
        changed = [case.name for case in read_cases() if b"".join(case.pieces(delivery)) != before + case.request]
        assert changed == []


@pytest.mark.parametrize(("case", "delivery"), CASES)
def test_rows_01_to_41(
    case: Case, delivery: str, application: EchoApplication, server: ServerThread, bystander: RawClient
) -> None:
    application.forget()
    before = case.before + (delivery == "pipelined")
    # Small cases meet the server piece by piece: it turns once before the next is sent.
    take_turn = partial(server.call, dict) if len(case.request) < TURNS_FOR else None
    with RawClient(server.address) as client:
        client.send(case.pieces(delivery), take_turn)
        if case.half_close:
            client.send_end()
        answer = read_last_answer(client, case, before)
        behind = check_connection(client, case, answer)
        check_bystander(bystander)
        seen = [request for request in application.seen if request.path != "/bystander"]
        is_served = answer is not None and answer.status == 200
        check_application(application, case, seen, answered=before + is_served + behind)
        if is_served:
            check_headers(seen[before], case)


def read_last_answer(client: RawClient, case: Case, before: int) -> Answer | None:
    for _ in range(before):
        good, interim = client.read_final_answer()
        assert (good.status, interim) == (200, 0)
    if case.answer_optional and not client.has_answer():
        return None
    answer, interim = client.read_final_answer()
    assert answer.status in case.status, f"answered {answer.status} {answer.reason!r} {answer.body[:200]!r}"
    assert interim <= case.interim
    if answer.status == 200:
        assert answer.body == case.body
    return answer


def check_connection(client: RawClient, case: Case, answer: Answer | None) -> int:
    """Checks whether the connection goes on; how many more requests it served."""
    if answer is not None and answer.status < 300 and not case.close:
        if case.half_close:
            return 0
        client.send([GOOD])
        assert client.read_final_answer()[0].status == 200
        return 1
    assert client.read_end() == b""
    if answer is not None:
        # RFC 9112 section 9.6: the last answer says that it is the last.
        assert answer.find(b"connection") == b"close" or (answer.status == 200 and case.unannounced)
        # RFC 9110 section 6.6.1: a server with a clock dates every answer.
        assert answer.find(b"date") is not None
    return 0


def check_application(application: EchoApplication, case: Case, seen: list[Seen], *, answered: int) -> None:
    assert [request.path for request in seen if "smuggled" in request.path] == []
    assert sum(request.is_answered for request in seen) == answered, seen
    unfinished = [request for request in seen if not request.is_answered]
    assert len(unfinished) <= (case.body_prefix is not None), unfinished
    for request in unfinished:
        assert case.body_prefix is not None
        assert case.body_prefix.startswith(bytes(request.body)), request
    assert application.wait_until(lambda: all(request.is_told for request in unfinished)), (
        "the application was not told"
    )


def check_headers(request: Seen, case: Case) -> None:
    for pair in case.headers:
        assert pair in request.headers
    assert [name for name, _ in request.headers if name in case.headers_absent] == []
    assert case.path in (None, request.path)


def check_bystander(bystander: RawClient) -> None:
    bystander.send([GOOD.replace(b"/good", b"/bystander")])
    assert bystander.read_final_answer()[0].status == 200


class TestWhatNoFileCanSay:
    """Rows that need two sides: who waits, who reads, who leaves."""

    def test_row_36_pipelined_requests_are_bounded(self, application: EchoApplication, address: Address) -> None:
        application.forget()
        with RawClient(address, receive_buffer=4096) as client:
            flood = GOOD.replace(b"/good", b"/big") * 200
            sent = client.send_until_stopped(flood, at_most=64_000_000, seconds=0.5)
        # 64 KiB each: what the kernel holds, and little more. Else the answers pile up in the server's memory.
        assert len(application.seen) < 300, "requests are served on although nobody reads their answers"
        assert sent < 16_000_000, "requests are read on although nobody reads their answers"

    def test_row_37_client_resets_at_every_byte(self, address: Address, bystander: RawClient) -> None:
        request = b"POST / HTTP/1.1\r\nHost: example.org\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
        for end in range(len(request) + 1):
            client = RawClient(address)
            client.send([request[:end]])
            client.reset()
        check_bystander(bystander)

    def test_row_37_client_leaves_while_it_is_answered(self, address: Address, bystander: RawClient) -> None:
        for _ in range(20):
            client = RawClient(address, receive_buffer=4096)
            client.send([GOOD.replace(b"/good", b"/big") * 50])
            assert client.has_answer()
            client.reset()
            check_bystander(bystander)

    def test_row_37_application_learns_that_the_client_left(
        self, application: EchoApplication, address: Address
    ) -> None:
        application.forget()

        def mine() -> list[Seen]:
            # Requests of clients that have left may still come in: they were read before.
            return [each for each in application.seen if each.body == b"hello"]

        with RawClient(address) as client:
            client.send([b"POST / HTTP/1.1\r\nHost: example.org\r\nContent-Length: 50\r\n\r\nhello"])
            assert application.wait_until(lambda: bool(mine()))
            client.reset()
        assert application.wait_until(lambda: mine()[0].is_told)
        assert not mine()[0].is_answered

    def test_row_40_body_waits_for_100_continue(self, address: Address) -> None:
        with RawClient(address) as client:
            head = b"POST / HTTP/1.1\r\nHost: example.org\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
            client.send([head])
            interim = client.read_answer()
            assert (interim.status, interim.headers) == (100, [])
            client.send([b"hello"])
            assert client.read_answer().body == b"hello"
            check_bystander(client)

    def test_row_40_no_100_continue_for_an_application_that_does_not_read(self, address: Address) -> None:
        head = b"POST /unread HTTP/1.1\r\nHost: example.org\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
        with RawClient(address) as client:
            client.send([head])
            answer, interim = client.read_final_answer()
            assert (answer.status, interim) == (200, 0)
            # RFC 9110 section 10.1.1: it says whether it closes; if not, what comes next is still the body.
            if answer.find(b"connection") == b"close":
                assert client.read_end() == b""
                return
            client.send([b"hello" + GOOD])
            assert client.read_final_answer()[0].status == 200

    def test_row_40_expecting_client_that_leaves_harms_nobody(self, address: Address, bystander: RawClient) -> None:
        client = RawClient(address)
        client.send([b"POST / HTTP/1.1\r\nHost: example.org\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"])
        assert client.read_answer().status == 100
        client.reset()
        check_bystander(bystander)
