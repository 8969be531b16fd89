"""A Starlette application with one JSON route."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


async def item(request: Request) -> JSONResponse:
    return JSONResponse({"id": int(request.path_params["id"]), "name": "Penstock", "tags": ["water", "gate"]})


application = Starlette(routes=[Route("/items/{id:int}", item)])
