"""The codes and reasons with which a WebSocket is closed: which may be sent, which may come (RFC 6455 section 7.4)."""

from __future__ import annotations

from typing import Final

NORMAL: Final = 1000
GOING_AWAY: Final = 1001
PROTOCOL_ERROR: Final = 1002
NO_CODE: Final = 1005  # never on the wire: a Close came, and named no code
LOST: Final = 1006  # never on the wire: the connection broke without a Close
INVALID_DATA: Final = 1007
POLICY_VIOLATION: Final = 1008
TOO_BIG: Final = 1009
INTERNAL_ERROR: Final = 1011

# RFC 6455 section 5.5: 125 bytes in a control frame, two of them for the code.
LONGEST_REASON: Final = 123

# RFC 6455 section 7.4.1 and the registry of IANA. 1010 is for clients alone, the others have no place on the wire.
_SENT_BY_NONE: Final = frozenset((1004, NO_CODE, LOST))
_LAST_REGISTERED: Final = 1014


def is_receivable_code(code: int) -> bool:
    """Whether a Close that came may say `code` (websockets PY-18, RT-8)."""
    return 3000 <= code <= 4999 or (NORMAL <= code <= _LAST_REGISTERED and code not in _SENT_BY_NONE)


def is_sendable_code(code: int) -> bool:
    """Whether a server may close with `code` (websockets PY-17)."""
    return code != 1010 and is_receivable_code(code)


def encode_close(code: int | None, reason: str | None = "") -> bytes:
    """The payload of a Close; None and 1005 mean one without a code, and then there is no reason either.

    Raises ValueError for a code that is not to be sent, and for a reason of more than 123 bytes in UTF-8 (websockets PY-17,
    section 1.16): the caller is to blame.
    """
    text = (reason or "").encode()
    if code is None or code == NO_CODE:
        if text:
            raise ValueError("a Close without a code (None, 1005) has no reason either")
        return b""
    if not is_sendable_code(code):
        raise ValueError(
            f"{code} is not a code to close with: 1000-1003, 1007-1009, 1011-1014 and 3000-4999 are (RFC 6455 7.4)"
        )
    if len(text) > LONGEST_REASON:
        raise ValueError(f"the reason of a Close has at most {LONGEST_REASON} bytes in UTF-8, not {len(text)}")
    return code.to_bytes(2, "big") + text


def encode_echo(code: int) -> bytes:
    """The payload of the Close that answers one with `code` (RFC 6455 section 5.5.1); 1005: it had none."""
    return b"" if code == NO_CODE else code.to_bytes(2, "big")


def read_close(payload: bytes) -> tuple[int, str] | None:
    """Code and reason of a Close that came, 1005 when it has none; None when it breaks section 5.5.1 or 7.4."""
    if not payload:
        return NO_CODE, ""
    code = int.from_bytes(payload[:2], "big")
    if len(payload) < 2 or not is_receivable_code(code):
        return None
    try:
        return code, payload[2:].decode("utf-8")
    except UnicodeDecodeError:
        return None
