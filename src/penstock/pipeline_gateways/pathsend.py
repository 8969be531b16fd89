"""The ASGI extension `http.response.pathsend`: the application names a file, the host sends it."""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from typing import Any

from penstock.errors import ContractError
from penstock.pipeline.context import Context


def send_path(context: Context, message: MutableMapping[str, Any]) -> None:
    """Make the file that `message` names the response. Raises ContractError for what is no absolute path of a file."""
    path = message.get("path")
    if not isinstance(path, str) or not os.path.isabs(path):
        raise ContractError(f"http.response.pathsend names an absolute path, not {path!r}")
    response = context.response
    declared = response.headers.get("content-length")
    try:
        response.send_file(path, 0, None if declared is None else int(declared))
    except (OSError, ValueError) as error:
        raise ContractError(f"http.response.pathsend: {error}") from error
