"""What a client accepts: the weights of `Accept-Encoding` and `Accept`, and the content coding or media type to choose by them."""

import re
from collections.abc import Sequence
from typing import Final

MOST_MEMBERS: Final = 64
"""Members of an Accept or Accept-Encoding field that are read; those that follow are not looked at."""

IDENTITY: Final = b"identity"

# RFC 9110 section 12.4.2: weight = OWS ";" OWS "q=" qvalue, with three decimals at most. In thousandths here.
_QVALUE: Final = re.compile(rb"0(?:\.\d{0,3})?|1(?:\.0{0,3})?")
_FULL_WEIGHT: Final = 1000

# RFC 9110 section 8.4.1: x-gzip and x-compress are gzip and compress.
_ALIASES: Final = {b"x-gzip": b"gzip", b"x-compress": b"compress"}


def parse_weights(field: bytes, *, most: int = MOST_MEMBERS) -> dict[bytes, int]:
    """Read a list of weighted members into a map from member (lower-case, without parameters) to weight.

    Weights are thousandths, 0 ("not this") to 1000. A member with a weight that is none is left out; of one named
    twice the last counts. Reads `most` members at most, in time linear in the length of `field`.
    """
    weights: dict[bytes, int] = {}
    for member in field.split(b",", most)[:most]:
        name, _, parameters = member.partition(b";")
        weight = _weight(parameters) if parameters else _FULL_WEIGHT
        name = name.strip(b" \t").lower()
        if name and weight >= 0:
            weights[_ALIASES.get(name, name)] = weight
    return weights


def negotiate_encoding(field: bytes | None, offers: Sequence[bytes]) -> bytes | None:
    """Choose a content coding by an Accept-Encoding field (RFC 9110 section 12.5.3).

    `offers` are the codings there are besides identity, the server's favourite first; it decides between equal
    weights. Gives one of them, or b"identity", or None when the client refuses all there is, identity included
    (the server may then answer 406 or disregard the field).
    """
    if field is None:
        # RFC 9110 section 12.5.3: without the field any coding is acceptable; the plain one is the one all can read.
        return IDENTITY
    weights = parse_weights(field)
    any_weight = weights.get(b"*", 0)
    best, best_weight = IDENTITY, 0
    for offer in offers:
        weight = weights.get(offer, any_weight)
        if weight > best_weight:
            best, best_weight = offer, weight
    identity_weight = weights.get(IDENTITY, any_weight if b"*" in weights else -1)
    # Not mentioned, identity is acceptable, but after every coding that is. Mentioned, it wins only by a greater weight.
    if identity_weight > best_weight:
        return IDENTITY
    return None if best_weight == 0 and identity_weight == 0 else best


def accepts_explicitly(field: bytes | None, media_type: bytes) -> bool:
    """Tell whether an Accept field names `media_type` itself, not by a wildcard, with a weight above zero."""
    return field is not None and parse_weights(field).get(media_type, 0) > 0


def choose_type(accept: bytes, media_types: Sequence[bytes]) -> int:
    """Which of `media_types` the Accept field weighs most, as an index; 0 when it says nothing of any of them."""
    weights = parse_weights(accept) if accept else {}
    best, best_weight = 0, 0
    for at, media_type in enumerate(media_types):
        weight = weigh(weights, media_type)
        if weight > best_weight:
            best, best_weight = at, weight
    return best


def weigh(weights: dict[bytes, int], media_type: bytes) -> int:
    """The weight of a media type: its own, else that of its kind, else that of any (RFC 9110 section 12.5.1)."""
    for name in (media_type, media_type.partition(b"/")[0] + b"/*", b"*/*"):
        if name in weights:
            return weights[name]
    return 0


def _weight(parameters: bytes) -> int:
    for parameter in parameters.split(b";", MOST_MEMBERS):
        name, equals, value = parameter.partition(b"=")
        if equals and name.strip(b" \t").lower() == b"q":
            return _thousandths(value.strip(b" \t"))
    return _FULL_WEIGHT


def _thousandths(value: bytes) -> int:
    if _QVALUE.fullmatch(value) is None:
        return -1
    whole, _, decimals = value.partition(b".")
    return int(whole) * _FULL_WEIGHT + int(decimals.ljust(3, b"0"))
