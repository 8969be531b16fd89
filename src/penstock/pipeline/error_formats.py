"""The built-in error answers: a page, JSON, problem+json (RFC 9457) or plain text, by what the client accepts."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from penstock.http.encodings import parse_weights, weigh

NEGOTIATED: Final = "negotiated"
HTML: Final = "html"
JSON: Final = "json"
PROBLEM: Final = "problem"
TEXT: Final = "text"

_MEDIA_TYPES: Final[dict[str, bytes]] = {
    HTML: b"text/html",
    PROBLEM: b"application/problem+json",
    JSON: b"application/json",
    TEXT: b"text/plain",
}
# Between equal weights: what a client names, it knows what to do with; one that leaves it to the server, as curl does with
# "*/*", is written to in plain text.
_NAMED: Final = (HTML, PROBLEM, JSON, TEXT)
_COVERED: Final = (TEXT, PROBLEM, HTML, JSON)

# Clients come with few different Accept fields: what each of them leads to is remembered; 0.4 us in place of 11 for a browser's.
_REMEMBERED: Final = 256
_LONGEST: Final = 512
_chosen: Final[dict[bytes, str]] = {}

_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:4rem auto;padding:0 1.5rem;color:#1d2733}"
    "h1{font-size:1.6rem}code,pre{font:13px/1.45 ui-monospace,monospace}"
    "pre{background:#f4f6f8;padding:1rem;overflow:auto;border-left:4px solid #c0392b}"
)


class ErrorFacts(NamedTuple):
    """What a client may know of an error; "" is nothing. `trace` is a traceback, in development only (pipeline X-08)."""

    status: int
    title: str
    detail: str = ""
    error_id: str = ""
    trace_id: str = ""
    trace: str = ""


def choose_format(wanted: str, accept: bytes) -> str:
    """The form of an answer: `wanted`, or for "negotiated" the one that the Accept field `accept` weighs most.

    RFC 9110 section 12.5.1. Plain text when there is no such field, or nothing in it can be had: an error is told anyway.
    """
    if wanted != NEGOTIATED:
        return wanted
    form = _chosen.get(accept)
    if form is None:
        form = _negotiate(accept)
        if len(accept) <= _LONGEST:
            if len(_chosen) >= _REMEMBERED:
                _chosen.clear()
            _chosen[accept] = form
    return form


def render(form: str, facts: ErrorFacts) -> tuple[bytes, bytes]:
    """The Content-Type and the body of an error answer."""
    media_type = _MEDIA_TYPES[form]
    if form in (PROBLEM, JSON):
        return media_type, _write_json(facts)
    text = _page(facts) if form == HTML else _text(facts)
    # What UTF-8 cannot hold, such as half a pair of surrogates, is told all the same.
    return media_type + b"; charset=utf-8", text.encode("utf-8", "backslashreplace")


def _negotiate(accept: bytes) -> str:
    weights = parse_weights(accept) if accept else {}
    best, best_weight = TEXT, 0
    for form in _NAMED:
        weight = weights.get(_MEDIA_TYPES[form], 0)
        if weight > best_weight:
            best, best_weight = form, weight
    for form in _COVERED:
        weight = weigh(weights, _MEDIA_TYPES[form])
        if weight > best_weight:
            best, best_weight = form, weight
    return best


def _write_json(facts: ErrorFacts) -> bytes:
    import msgspec  # imported when used: it costs start-up time

    # RFC 9457 section 4.2.1: for about:blank the title is the phrase of the status.
    members: dict[str, Any] = {"type": "about:blank", "title": facts.title, "status": facts.status}
    if facts.detail:
        members["detail"] = _representable(facts.detail)
    if facts.error_id:
        members["instance"] = f"urn:penstock:error:{facts.error_id}"
        members["error_id"] = facts.error_id
    if facts.trace_id:
        members["trace_id"] = facts.trace_id
    if facts.trace:
        members["trace"] = _representable(facts.trace).splitlines()
    return msgspec.json.encode(members) + b"\n"


def _representable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _text(facts: ErrorFacts) -> str:
    shown_id = f"error id {facts.error_id}" if facts.error_id else ""
    lines = (f"{facts.status} {facts.title}", facts.detail, shown_id, facts.trace)
    return "\n".join(line for line in lines if line) + "\n"


def _page(facts: ErrorFacts) -> str:
    from html import escape  # imported when used: its table of entities costs start-up time

    title = escape(f"{facts.status} {facts.title}")
    parts = [f"<h1>{title}</h1>"]
    if facts.detail:
        parts.append(f"<p>{escape(facts.detail)}</p>")
    if facts.error_id:
        parts.append(f"<p>Error id <code>{escape(facts.error_id)}</code></p>")
    if facts.trace:
        parts.append(f"<pre>{escape(facts.trace)}</pre>")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
    )
