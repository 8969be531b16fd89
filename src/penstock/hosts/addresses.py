"""Who is at the two ends of a connection, as applications expect to be told."""

from __future__ import annotations

from asyncio import BaseTransport
from typing import TYPE_CHECKING

from penstock.hosts.listener import peer_address

if TYPE_CHECKING:
    from penstock.intake.worker_request import Address


def find_peer(transport: BaseTransport) -> Address | None:
    """Address and port of the other end; None on a Unix socket, and when the other end is gone."""
    peer = transport.get_extra_info("peername")
    if isinstance(peer, tuple) and len(peer) >= 2:
        return peer_address((str(peer[0]), int(peer[1])))
    return None


def find_own(transport: BaseTransport) -> Address | None:
    """Host and port of our end; path and None of a Unix socket."""
    own = transport.get_extra_info("sockname")
    if isinstance(own, tuple) and len(own) >= 2:
        return str(own[0]), int(own[1])
    return (own, None) if isinstance(own, str) and own else None
