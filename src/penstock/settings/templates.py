"""The language of `at`: path prefixes of applications and locations, and path templates of routes.

Each `judge_x` returns what is wrong with a text, as a sentence that begins with the text; "" means it is right.
"""

import re
from keyword import iskeyword

from penstock.settings.names import join_choices, suggest

CONVERTERS = ("int", "path")

_PARAMETER = re.compile(r"\{([^{}]*)\}")


def judge_prefix(at: str) -> str:
    """What is wrong with the `at` of an application or a location."""
    if at != "/" and at.endswith("/") and not at.startswith("//"):
        return f'"{at}" ends with a slash: write "{at.rstrip("/")}", which covers everything below as well'
    return judge_path(at)


def judge_path(at: str) -> str:
    """What is wrong with a decoded path without query and fragment; it is one path, so it has no parameters."""
    if "{" in at or "}" in at:
        return f'"{at}" has a parameter: only the `at` of a route has them'
    return _judge_segments(at)


def _judge_segments(at: str) -> str:
    if not at.startswith("/"):
        return f'"{at}" must begin with a slash: write "/{at}"'
    if found := re.search(r"[%?#\\\s\x00-\x1f\x7f]", at):
        return f'"{at}" must not contain {found[0]!r}: write the path decoded, without query and fragment'
    segments = at[1:].split("/")
    if "" in segments[:-1]:
        return f'"{at}" has an empty segment: write one slash instead of two'
    for dots in (".", ".."):
        if dots in segments:
            return f'"{at}" has a dot segment: "{dots}" never arrives, the path is resolved before'
    return ""


def judge_template(at: str) -> str:
    """What is wrong with the `at` of a route."""
    return _judge_segments(at) or _judge_braces(at) or _judge_parameters(at)


def shape_of(at: str) -> str:
    """The template without the names of its parameters; two routes of one shape answer the same paths."""
    return _PARAMETER.sub(lambda found: f"{{:{found[1].partition(':')[2]}}}", at)


def _judge_braces(at: str) -> str:
    rest = _PARAMETER.sub("", at)
    if "{" in rest or "}" in rest:
        return f'"{at}" has a brace without its partner: write a parameter as "{{name}}"'
    if "}{" in at:
        return f'"{at}" has two parameters without anything between them: where the first ends is not clear'
    return ""


def _judge_parameters(at: str) -> str:
    names: list[str] = []
    parameters = _PARAMETER.findall(at)
    for index, parameter in enumerate(parameters):
        name, colon, converter = parameter.partition(":")
        if not (name.isascii() and name.isidentifier()) or iskeyword(name):
            return f'"{at}" has a parameter "{name}", which is no name of a Python argument'
        if name in names:
            return f'"{at}" has two parameters called "{name}"'
        if colon and converter not in CONVERTERS:
            return f'"{at}" has an unknown converter: {join_choices(CONVERTERS)}, not "{converter}"{suggest(converter, CONVERTERS)}'
        if converter == "path" and not (index == len(parameters) - 1 and "/" not in at.rpartition("}")[2]):
            return (
                f'"{at}" goes on after "{{{parameter}}}": a path parameter takes all that is left, so only an ending '
                'such as ".py" may follow'
            )
        if converter == "path" and f"/{{{parameter}}}" not in at:
            return f'"{at}" has text before "{{{parameter}}}": a path parameter begins after a slash'
        names.append(name)
    return ""
