"""For people who build on Penstock: a server in a thread, and a client that needs no socket."""

from penstock.testing.client import Client, ClientResponse
from penstock.testing.server_thread import ServerThread

__all__ = ["Client", "ClientResponse", "ServerThread"]
