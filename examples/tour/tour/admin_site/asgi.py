"""This file is what the site file names: the sockets of the Django project, by Channels, as an ASGI application."""

import os
from collections.abc import Callable
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tour.admin_site.settings")
django.setup()  # the imports below need it

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from django.urls import path

from tour.admin_site.consumers import ChatConsumer


async def _only_sockets(scope: dict[str, Any], receive: Callable[[], Any], send: Callable[[Any], Any]) -> None:
    """Pages are the WSGI application's."""
    await send({"type": "http.response.start", "status": 426, "headers": [(b"upgrade", b"websocket")]})
    await send({"type": "http.response.body", "body": b"There are only WebSockets here.\n"})


sockets = AuthMiddlewareStack(URLRouter([path("", ChatConsumer.as_asgi())]))
application = ProtocolTypeRouter({"http": _only_sockets, "websocket": sockets})
