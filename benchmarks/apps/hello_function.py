"""The plain function of the bench."""


def hello() -> bytes:
    """Thirteen bytes."""
    return b"Hello, world!"
