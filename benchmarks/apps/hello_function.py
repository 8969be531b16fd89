"""The plain functions of the bench."""


def hello() -> bytes:
    """Thirteen bytes."""
    return b"Hello, world!"


def item(id: str) -> dict[str, object]:  # noqa: A002 - the name in the route
    """What the Starlette application of the bench answers."""
    return {"id": int(id), "name": "Penstock", "tags": ["water", "gate"]}
