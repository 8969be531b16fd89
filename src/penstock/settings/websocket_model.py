"""websockets = { ... } of a location as a frozen model: the rules for the WebSockets below a path prefix."""

from __future__ import annotations  # types are built when a file is loaded, not when the server starts

from typing import Annotated

from msgspec import Meta, Struct

from penstock.settings.forms import ORIGIN


class WebSocketSettings(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """websockets = { ... } of a location: who may open a WebSocket, how much it carries, and when it is given up."""

    # ASP.NET Core AllowedOrigins is empty: any
    origins: Annotated[
        Annotated[tuple[Annotated[str, ORIGIN], ...], Meta(min_length=1)] | None,
        Meta(
            description='Pages that may open one, by their Origin, else 403; without Origin it is no browser. "*" is any.',
            examples=[["https://example.org"]],
            extra={"default": ["*"]},
        ),
    ] = None
    # System.Web RequireSameOrigin is off
    same_origin: Annotated[
        bool | None,
        Meta(
            description="Whether only pages of this very host may open one; a client without Origin may not.",
            examples=[True],
            extra={"default": False},
        ),
    ] = None
    # off: an inflater and a deflater cost memory for each socket, and compressed secrets can be guessed
    compression: Annotated[
        bool | None,
        Meta(
            description="Whether permessage-deflate is agreed to where the client offers it.",
            examples=[True],
            extra={"default": False},
        ),
    ] = None
    # uvicorn --ws-max-size 16 MiB
    max_message: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(
            description="Largest message, in bytes once inflated; beyond it the socket is closed with 1009.",
            examples=[65536],
            extra={"default": 16_777_216},
        ),
    ] = None
    # deflate packs text about 10 times and nothing but zeros 1030 times
    max_ratio: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        Meta(
            description="How many times its size a compressed message may inflate to; beyond it 1009, and 0 is any.",
            examples=[50],
            extra={"default": 100},
        ),
    ] = None
    # uvicorn --ws-ping-interval 20 s
    keep_alive: Annotated[
        Annotated[float, Meta(ge=0, le=86_400)] | None,
        Meta(
            description="Seconds of silence after which the client is asked whether it is there; 0 never asks.",
            examples=[60.0],
            extra={"default": 20.0},
        ),
    ] = None
    # uvicorn --ws-ping-timeout 20 s
    keep_alive_timeout: Annotated[
        Annotated[float, Meta(ge=0, le=86_400)] | None,
        Meta(
            description="Seconds it has to answer before the socket is given up; 0 waits for ever.",
            examples=[10.0],
            extra={"default": 20.0},
        ),
    ] = None
    # websockets close_timeout 10 s
    close_timeout: Annotated[
        Annotated[float, Meta(ge=0, le=3600)] | None,
        Meta(
            description="Seconds `close` waits for the Close of the client before the connection is dropped.",
            examples=[5.0],
            extra={"default": 10.0},
        ),
    ] = None
    # nginx limit_conn: none
    per_client: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        Meta(
            description="Most sockets one client address may have open at once in a worker, else 429; 0 is any number.",
            examples=[50],
            extra={"default": 0},
        ),
    ] = None
