"""middleware = [ ... ] of a site or a location as a frozen model: a middleware of other frameworks, and its stage."""

from __future__ import annotations  # types are built when a file is loaded, not when the server starts

from typing import Annotated, Any

from msgspec import Meta, Struct

from penstock.settings.forms import MODULE_NAME, REFERENCE, STAGE


class MiddlewareSettings(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """middleware = [ ... ] of a site or a location: middleware for ASGI, which waits in a stage while the rest of the request passes."""

    use: Annotated[
        str,
        REFERENCE,
        Meta(
            description="A class or factory that is given an application, or a coroutine function (context, next).",
            examples=["starlette.middleware.cors:CORSMiddleware"],
        ),
    ]
    # Katana: what has no marker runs right before the handler (middleware R-IP-01)
    stage: Annotated[
        str,
        STAGE,
        Meta(
            description="Where the request enters it, `begin` to `pre_execute`; it leaves it in front of END.",
            examples=["authenticate"],
        ),
    ] = "pre_execute"
    # as of modules (pipeline A-10)
    name: Annotated[
        str,
        MODULE_NAME,
        Meta(
            description="What it is called in plans, logs and traces; unique among modules too. Empty is its class.",
            examples=["cors"],
        ),
    ] = ""
    settings: Annotated[
        dict[str, Any],
        Meta(description="Keyword arguments it is made with.", examples=[{"allow_origins": ["*"]}]),
    ] = {}
    # what fails behind it has been answered, as for the client (middleware R-SG-29)
    relay_errors: Annotated[
        bool, Meta(description="Whether errors behind it are raised in it; otherwise it sees their answer.")
    ] = False
