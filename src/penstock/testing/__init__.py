"""For people who build on Penstock: a client that needs no socket, and checks of the contracts they must keep."""

from penstock.testing.both_ends import Asked, AskHost, Received, RequestUnderTest
from penstock.testing.client import Client, ClientResponse
from penstock.testing.host_check import check_host

__all__ = ["AskHost", "Asked", "Client", "ClientResponse", "Received", "RequestUnderTest", "check_host"]
