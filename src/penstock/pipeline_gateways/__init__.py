"""How applications of foreign shapes take part: shape detection, and the gateways of ASGI and WSGI."""
