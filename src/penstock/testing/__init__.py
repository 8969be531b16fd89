"""For people who build on Penstock: a client that needs no socket, and checks of the contracts they must keep."""

from penstock.testing.both_ends import Asked, AskHost, Received, RequestUnderTest
from penstock.testing.client import Client, ClientResponse
from penstock.testing.client_websocket import ClientWebSocket, WebSocketRefused
from penstock.testing.handler_check import check_handler
from penstock.testing.host_check import check_host
from penstock.testing.host_sockets import UpgradeUnderTest
from penstock.testing.module_check import check_module

__all__ = [
    "AskHost",
    "Asked",
    "Client",
    "ClientResponse",
    "ClientWebSocket",
    "Received",
    "RequestUnderTest",
    "UpgradeUnderTest",
    "WebSocketRefused",
    "check_handler",
    "check_host",
    "check_module",
]
