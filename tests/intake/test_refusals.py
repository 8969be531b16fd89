"""Answers at the door: complete, plain, without details, and never raising (pipeline E-03)."""

from typing import Any

from penstock.errors import ContractError
from penstock.intake.refusals import answer_plainly
from tests.intake.subject import make_request
from tests.pipeline.subject import run


def test_the_answer_says_its_status_and_its_length() -> None:
    async def journey() -> None:
        request = make_request()
        headers = answer_plainly(request, 503, ": come later", (b"retry-after", b"7"))
        assert request.response_head is not None
        assert (request.response_head.status, request.response_head.raw_headers) == (503, headers)
        assert b"".join(request.pieces) == b"503 Service Unavailable: come later\n"
        assert dict(headers)[b"content-length"] == b"%d" % len(request.pieces[0])
        assert dict(headers)[b"retry-after"] == b"7"

    run(journey)


def test_pipeline_e03_what_cannot_be_sent_is_cut_off() -> None:
    class Broken:
        aborted = 0

        def send(self, *_: object) -> None:
            raise ContractError("the head of this response has been sent already")

        def abort(self) -> None:
            self.aborted += 1

    broken: Any = Broken()
    answer_plainly(broken, 400, "")
    assert broken.aborted == 1
