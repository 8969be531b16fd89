"""The composition root: settings become sites, a runtime and listening sockets. The only package that knows every other."""

from penstock.server.life import Server, build, serve

__all__ = ["Server", "build", "serve"]
