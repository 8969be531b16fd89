"""For people who build on Penstock: a client that needs no socket."""

from penstock.testing.client import Client, ClientResponse

__all__ = ["Client", "ClientResponse"]
