"""The ASGI extensions that a host's capabilities allow: early hints and trailers; their messages, read and judged."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any, Final

from penstock.errors import ContractError
from penstock.http.response_head import check_trailers
from penstock.intake.worker_request import Capability, WorkerRequest

EARLY_HINT: Final = "http.response.early_hint"
TRAILERS: Final = "http.response.trailers"
# Our own: an object with `is_set()` and `await wait()` that tells of the drain when it begins (pipeline G-06).
STOPPING: Final = "penstock.stopping"

Extensions = dict[str, Any]


def extensions_of(capabilities: Capability, others: Extensions) -> Extensions:
    """What a scope offers: `others`, and what a host of these capabilities can carry."""
    extensions = dict(others)
    if Capability.INFORM in capabilities:
        extensions[EARLY_HINT] = {}
    if Capability.TRAILERS in capabilities:
        extensions[TRAILERS] = {}
    return extensions


def send_early_hint(worker_request: WorkerRequest, message: MutableMapping[str, Any]) -> None:
    """Send 103 with the links of `message`; nothing where the host cannot. Raises ContractError for what is no link."""
    links = message.get("links", ())
    if isinstance(links, (str, bytes)) or not all(isinstance(link, bytes) for link in links):
        raise ContractError(
            f"the links of {EARLY_HINT} are byte strings such as b'</a.css>; rel=preload', not {links!r}"
        )
    if Capability.INFORM in worker_request.capabilities:
        worker_request.inform(103, [(b"link", link) for link in links])


def read_trailers(message: MutableMapping[str, Any]) -> list[tuple[bytes, bytes]]:
    """The fields of a trailers message. Raises ContractError for what cannot follow a body (RFC 9110 section 6.5.1)."""
    try:
        fields = [(name.lower(), value) for name, value in message.get("headers", ())]
        check_trailers(fields)
    except (TypeError, ValueError, AttributeError) as error:
        raise ContractError(f"the headers of {TRAILERS} are pairs of bytes: {error}") from None
    return fields
