"""The languages that texts of the site file are written in, by the name that the model gives them."""

import re
from collections.abc import Callable, Mapping

from penstock.http.grammar import is_field_value, is_token
from penstock.settings.addresses import judge_backend, judge_host_pattern, judge_listen, judge_origin, judge_trusted
from penstock.settings.forms import REFERENCE_FORM, STAGES
from penstock.settings.names import suggest
from penstock.settings.statuses import judge_statuses
from penstock.settings.templates import judge_path, judge_prefix, judge_template

_REFERENCE = re.compile(REFERENCE_FORM)


def judge_reference(text: str) -> str:
    """What is wrong with the form of an import reference; whether it leads anywhere is not asked."""
    if _REFERENCE.fullmatch(text):
        return ""
    if "/" in text or text.endswith(".py"):
        return f'"{text}" is a file: write it as Python imports it, "package.module:attribute"'
    if ":" not in text:
        return f'"{text}" names no attribute: write "{text}:app", or what it is called there'
    return f'"{text}" is not an import reference: write "package.module:attribute"'


def judge_method(text: str) -> str:
    """What is wrong with a request method (RFC 9110 section 9.1: a token, case-sensitive)."""
    if not is_token(text.encode()):
        return f'"{text}" is not a request method'
    return (
        ""
        if text == text.upper()
        else f'"{text}" must be in capitals: methods are case-sensitive, write "{text.upper()}"'
    )


def judge_header_name(text: str) -> str:
    """What is wrong with the name of a header (RFC 9110 section 5.1)."""
    return "" if is_token(text.encode()) else f'"{text}" is not a header name'


def judge_header_value(text: str) -> str:
    """What is wrong with the value of a header (RFC 9110 section 5.5)."""
    try:
        value = text.encode("latin-1")
    except UnicodeEncodeError:
        return f'"{text}" has characters beyond latin-1, which a header cannot carry'
    if not is_field_value(value):
        return f"{text!r} has a line break or another control character"
    return "" if value.strip(b" \t") == value else f'"{text}" has spaces around it, which a header cannot carry'


def judge_file_name(text: str) -> str:
    """What is wrong with the name of a file in any folder."""
    return "" if re.fullmatch(r"[^/\\]+", text) and text not in {".", ".."} else f'"{text}" is not the name of a file'


def judge_extension(text: str) -> str:
    """What is wrong with the ending of a path, such as ".py"."""
    if re.fullmatch(r"\.[^/\\\s]+", text):
        return ""
    bare = text.lstrip("*.")
    advice = f': write ".{bare}"' if bare and "/" not in bare else ""
    return f'"{text}" is not the ending of a path{advice}'


def judge_segment(text: str) -> str:
    """What is wrong with one segment of a path."""
    if re.fullmatch(r"[^/\\]+", text):
        return ""
    bare = text.strip("/")
    advice = f': write "{bare}"' if bare and "/" not in bare else ": it is what stands between two slashes"
    return f'"{text}" is not a segment of a path{advice}'


def judge_module_name(text: str) -> str:
    """What is wrong with the name of a module; an empty one is the name of its class."""
    if not text or re.fullmatch(r"[^\W\d][\w.-]*", text):
        return ""
    return f'"{text}" is not a name: write letters, digits, "_", "-" and ".", a letter first'


def judge_subprotocol(text: str) -> str:
    """What is wrong with the name of a sub-protocol (RFC 6455 section 4.1: a token, case-sensitive)."""
    if is_token(text.encode()):
        return ""
    if "," in text or " " in text.strip():
        return f'"{text}" is not one sub-protocol: write each as an element of its own'
    return f'"{text}" is not a sub-protocol: write letters, digits and !#$%&\'*+-.^_`|~ only, such as "prices.v1"'


def judge_health_path(text: str) -> str:
    """What is wrong with a path that is asked for, with its query; an empty one is none."""
    if not text or (re.fullmatch(r"/[!-~]*", text) and "#" not in text):
        return ""
    return f'"{text}" is not a path to ask for: write it as it is sent, "/health"'


def judge_probe_path(text: str) -> str:
    """What is wrong with a path that probes ask for; an empty one is none."""
    if text == "/":
        return '"/" is the front page of every site: take a path of its own, such as "/ready"'
    return judge_prefix(text) if text else ""


def judge_pool_name(text: str) -> str:
    """What is wrong with the name of a pool, which becomes the name of a socket and a label in logs."""
    if text == "default":
        return '"default" is the pool of all applications that name none: take another name'
    if re.fullmatch(r"[a-z0-9_-]{1,32}", text):
        return ""
    if len(text) > 32:
        return f'"{text}" is too long: a name has 32 characters at most'
    simple = re.sub(r"[^a-z0-9_-]+", "-", text.lower()).strip("-")
    advice = f': write "{simple}"' if simple and simple != "default" else ""
    return f'"{text}" is not the name of a pool, which has small letters, digits, "_" and "-" only{advice}'


def judge_variable_name(text: str) -> str:
    """What is wrong with the name of an environment variable."""
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", text):
        return ""
    return f'"{text}" is not the name of a variable: write letters, digits and "_", no digit first'


def judge_clock(text: str) -> str:
    """What is wrong with a time of the day."""
    if re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", text):
        return ""
    if found := re.fullmatch(r"([0-9]|[01][0-9]|2[0-3])[:.h]([0-5][0-9])(:[0-9]{2})?", text):
        return f'"{text}" is not a time of the day: write "{int(found[1]):02}:{found[2]}"'
    if text == "24:00":
        return '"24:00" is not a time of the day: write "00:00"'
    return f'"{text}" is not a time of the day: write "03:30", from 00:00 to 23:59'


def judge_file_mode(text: str) -> str:
    """What is wrong with the mode of a socket, which is written as for chmod."""
    if not re.fullmatch(r"0?[0-7]{3}", text.removeprefix("0o")):
        return f'"{text}" is not the mode of a file: write "0600" (this user) or "0660" (this group, too)'
    if text.startswith("0o"):
        return f'"{text}" is how Python writes it: write "0{text[-3:]}"'
    if int(text, 8) & 0o600 != 0o600:
        return f'"{text}" keeps out this user, too: write "0600" (this user) or "0660" (this group, too)'
    return ""


def judge_stage(text: str) -> str:
    """What is wrong with the name of a stage that middleware is to wait in, in capitals or not."""
    if text.lower() in STAGES:
        return ""
    return f'"{text}" is no stage for middleware{suggest(text, STAGES)}; these are: {", ".join(STAGES)}'


def judge_root_path(text: str) -> str:
    """What is wrong with a prefix that may be empty."""
    if text == "/":
        return '"/" must be empty: nothing was taken off'
    return judge_prefix(text) if text else ""


JUDGES: Mapping[str, Callable[[str], str]] = {
    "backend": judge_backend,
    "clock": judge_clock,
    "extension": judge_extension,
    "file_mode": judge_file_mode,
    "file_name": judge_file_name,
    "health_path": judge_health_path,
    "header_name": judge_header_name,
    "header_value": judge_header_value,
    "host": judge_host_pattern,
    "listen": judge_listen,
    "method": judge_method,
    "module_name": judge_module_name,
    "origin": judge_origin,
    "path": judge_path,
    "pool_name": judge_pool_name,
    "prefix": judge_prefix,
    "probe_path": judge_probe_path,
    "reference": judge_reference,
    "root_path": judge_root_path,
    "segment": judge_segment,
    "stage": judge_stage,
    "statuses": judge_statuses,
    "subprotocol": judge_subprotocol,
    "template": judge_template,
    "trusted": judge_trusted,
    "variable_name": judge_variable_name,
}
