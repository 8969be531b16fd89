"""The forms that texts of the site file have: patterns for the schema, and by which language the loader judges them."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

# An import reference: "package.module:attribute".
REFERENCE_FORM = r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*"

# Forms of text: the pattern is the schema's; `extra` says how the loader judges and words it.
REFERENCE = Meta(
    extra={"language": "reference"},
    extra_json_schema={"pattern": f"^{REFERENCE_FORM}$"},
)
PREFIX = Meta(
    extra={"language": "prefix"},
    extra_json_schema={"pattern": r"^(/|(/(?!\.{1,2}(/|$))[^/{}%?#\\\s]+)+)$"},
)
TEMPLATE = Meta(extra={"language": "template"}, extra_json_schema={"pattern": r"^/[^%?#\\\s]*$"})
METHOD = Meta(
    extra={"language": "method"},
    extra_json_schema={"pattern": r"^[A-Z0-9!#$%&'*+.^_`|~-]+$"},  # RFC 9110 section 9.1
)
HEADER_NAME = Meta(
    extra={"language": "header_name"},
    extra_json_schema={"pattern": r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"},  # RFC 9110 section 5.1
)
HEADER_VALUE = Meta(
    extra={"language": "header_value"},
    extra_json_schema={"pattern": r"^([\x21-\x7e\x80-\xff]([\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?$"},
)
LISTEN = Meta(
    extra={"language": "listen"},
    extra_json_schema={
        "pattern": r"^((fcgi\+)?(unix:.+|fd:(//)?[0-9]+)|(fcgi://)?(\[[0-9A-Fa-f:.]+(%.+)?\]|[A-Za-z0-9._-]*):[0-9]{1,5}/?)$"
    },
)
TRUSTED = Meta(
    extra={"language": "trusted"},
    extra_json_schema={"pattern": r"^(\*|unix:|[0-9A-Fa-f:.]+(/[0-9]+)?)$"},
)
HOST = Meta(
    extra={"language": "host"},
    extra_json_schema={"pattern": r"^(\*|(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*|\[[0-9A-Fa-f:.]+\])$"},
)
STATUSES = Meta(
    extra={"language": "statuses"},
    extra_json_schema={"pattern": r"^[1-5]([0-9]{2}(-[1-5][0-9]{2})?|[xX]{2})$"},
)
PATH = Meta(
    extra={"language": "path"},
    extra_json_schema={"pattern": r"^(/|(/(?!\.{1,2}(/|$))[^/{}%?#\\\s]+)+/?)$"},
)
# The stages that middleware can wait in, by their names; pipeline/stages.py has all.
STAGES = ("begin", "authenticate", "authorize", "resolve_cache", "map_handler", "acquire_state", "pre_execute")
STAGE = Meta(
    extra={"language": "stage"},
    extra_json_schema={"pattern": f"^({'|'.join([*STAGES, *[name.upper() for name in STAGES]])})$"},
)
MODULE_NAME = Meta(extra={"language": "module_name"}, extra_json_schema={"pattern": r"^([^\W\d][\w.-]*)?$"})
EXTENSION = Meta(extra={"language": "extension"}, extra_json_schema={"pattern": r"^\.[^/\\\s]+$"})
SEGMENT = Meta(extra={"language": "segment"}, extra_json_schema={"pattern": r"^[^/\\]+$"})
FILE_NAME = Meta(extra={"language": "file_name"}, extra_json_schema={"pattern": r"^[^/\\]+$"})

# RFC 6454 section 6.2: what a browser sends as Origin, or "*"
ORIGIN = Meta(
    extra={"language": "origin"},
    extra_json_schema={
        "pattern": r"^(\*|(?![wW][sS]{1,2}:)[A-Za-z][A-Za-z0-9+.-]*://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?)$"
    },
)
# A server that is asked: RFC 3986 section 3.2 without userinfo, or a socket's path
BACKEND = Meta(
    extra={"language": "backend"},
    extra_json_schema={"pattern": r"^(unix:.+|https?://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?/?)$"},
)
HEALTH_PATH = Meta(extra={"language": "health_path"}, extra_json_schema={"pattern": r"^(/[^#\s]*)?$"})
# Paths that probes ask for, decoded; empty is none
PROBE_PATH = Meta(
    extra={"language": "probe_path"},
    extra_json_schema={"pattern": r"^(/(?!\.{1,2}(/|$))[^/{}%?#\\\s]+)*$"},
)
POOL_NAME = Meta(extra={"language": "pool_name"}, extra_json_schema={"pattern": r"^(?!default$)[a-z0-9_-]{1,32}$"})
# POSIX.1 section 8.1: names of environment variables
VARIABLE_NAME = Meta(extra={"language": "variable_name"}, extra_json_schema={"pattern": r"^[A-Za-z_][A-Za-z0-9_]*$"})
CLOCK = Meta(extra={"language": "clock"}, extra_json_schema={"pattern": r"^([01][0-9]|2[0-3]):[0-5][0-9]$"})
FILE_MODE = Meta(extra={"language": "file_mode"}, extra_json_schema={"pattern": r"^0?[67][0-7]{2}$"})
SUBPROTOCOL = Meta(
    extra={"language": "subprotocol"},
    extra_json_schema={"pattern": r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"},  # RFC 6455 section 4.1: a token
)

# One status, or several: 404, "404", "5xx", "500-599".
Status = Annotated[int, Meta(ge=100, le=599)] | Annotated[str, STATUSES]
Headers = dict[Annotated[str, HEADER_NAME], Annotated[str, HEADER_VALUE]]
