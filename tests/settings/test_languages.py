"""This file is the test of how references, methods, headers and file names are written."""

import pytest
from msgspec import inspect

from penstock.settings.catalog import fields_of, members_of, plain_type, tables
from penstock.settings.languages import JUDGES
from penstock.settings.model import Settings


class TestJudges:
    @pytest.mark.parametrize(
        ("language", "text"),
        [
            ("reference", "shop:app"),
            ("reference", "shop.api:app.inner"),
            ("method", "GET"),
            ("method", "M-SEARCH"),
            ("header_name", "X-Frame-Options"),
            ("header_value", ""),
            ("header_value", 'a, b; c="d"'),
            ("header_value", "größe"),
            ("file_name", "index.html"),
            ("root_path", ""),
            ("root_path", "/shop"),
            ("extension", ".py"),
            ("extension", ".tar.gz"),
            ("segment", ".git"),
            ("segment", "größe"),
            ("module_name", ""),
            ("module_name", "sign-in.v2"),
            ("stage", "begin"),
            ("stage", "Authenticate"),
            ("path", "/oops/"),
            ("subprotocol", "graphql-transport-ws"),
            ("probe_path", ""),
            ("probe_path", "/health/live"),
            ("pool_name", "reports-2"),
            ("variable_name", "DJANGO_SETTINGS_MODULE"),
            ("clock", "23:59"),
            ("file_mode", "0660"),
            ("statuses", "404"),
            ("statuses", "5xx"),
            ("statuses", "500-599"),
        ],
    )
    def test_good(self, language: str, text: str) -> None:
        assert JUDGES[language](text) == ""

    @pytest.mark.parametrize(
        ("language", "text", "advice"),
        [
            ("reference", "shop", 'write "shop:app"'),
            ("reference", "shop/api.py", "is a file"),
            ("reference", "shop.py", "is a file"),
            ("reference", "shop:", "not an import reference"),
            ("reference", ":app", "not an import reference"),
            ("reference", "shop:app:x", "not an import reference"),
            ("reference", "shop:app\n", "not an import reference"),
            ("reference", "shop:create()", "not an import reference"),
            ("method", "get", 'write "GET"'),
            ("method", "GET POST", "not a request method"),
            ("method", "", "not a request method"),
            ("header_name", "a b", "not a header name"),
            ("header_name", "", "not a header name"),
            ("header_value", "a\r\nb", "line break"),
            ("header_value", " a", "spaces around"),
            ("header_value", "€", "latin-1"),
            ("file_name", "a/b", "not the name of a file"),
            ("file_name", "", "not the name of a file"),
            ("file_name", "..", "not the name of a file"),
            ("root_path", "/", "must be empty"),
            ("root_path", "shop", 'write "/shop"'),
            ("root_path", "/shop/", 'write "/shop"'),
            ("extension", "py", 'write ".py"'),
            ("extension", "*.py", 'write ".py"'),
            ("extension", "", "not the ending"),
            ("extension", "a/b", "not the ending"),
            ("segment", "/bin/", 'write "bin"'),
            ("segment", "a/b", "between two slashes"),
            ("segment", "", "between two slashes"),
            ("module_name", "sign in", "not a name"),
            ("module_name", "2nd", "not a name"),
            ("stage", "authentication", 'did you mean "authenticate"?; these are: begin, authenticate, authorize'),
            ("stage", "execute", "these are: begin"),
            ("stage", "", "is no stage for middleware"),
            ("probe_path", "/", "front page"),
            ("probe_path", "live", 'write "/live"'),
            ("probe_path", "/live/", 'write "/live"'),
            ("pool_name", "default", "take another name"),
            ("pool_name", "My reports", 'write "my-reports"'),
            ("pool_name", "", "small letters"),
            ("pool_name", "DEFAULT", "small letters"),
            ("pool_name", "a" * 33, "32 characters at most"),
            ("variable_name", "2ND", "no digit first"),
            ("variable_name", "A=B", "not the name of a variable"),
            ("clock", "3:30", 'write "03:30"'),
            ("clock", "03.30", 'write "03:30"'),
            ("clock", "03:30:00", 'write "03:30"'),
            ("clock", "24:00", 'write "00:00"'),
            ("clock", "25:00", "from 00:00 to 23:59"),
            ("clock", "midnight", "from 00:00 to 23:59"),
            ("file_mode", "0o660", 'write "0660"'),
            ("file_mode", "rw-rw----", 'write "0600"'),
            ("file_mode", "0060", "keeps out this user"),
            ("path", "oops", 'write "/oops"'),
            ("path", "/oops?a=1", "without query"),
            ("subprotocol", "", "letters, digits"),
            ("subprotocol", "chat/1", "letters, digits"),
            ("subprotocol", "é", "letters, digits"),
            ("subprotocol", "a b", "each as an element"),
            ("subprotocol", "a, b", "each as an element"),
            ("statuses", "6xx", 'write 404, "5xx" or "500-599"'),
            ("statuses", "40", "not a status"),
            ("statuses", "500-", "not a status"),
            ("statuses", "", "not a status"),
            ("statuses", "599-500", 'write "500-599"'),
        ],
    )
    def test_bad(self, language: str, text: str, advice: str) -> None:
        assert advice in JUDGES[language](text)


class TestModel:
    def test_uses_every_language_and_no_other(self) -> None:
        used: set[str] = set()
        for _, model in tables(Settings):
            for field in fields_of(model).values():
                used |= languages_in(field.type)
        assert used == set(JUDGES)


def languages_in(declared: inspect.Type) -> set[str]:
    kind, language = plain_type(declared)
    found = {language} if language else set()
    if isinstance(kind, inspect.VarTupleType):
        found |= languages_in(kind.item_type)
    if isinstance(kind, inspect.UnionType):
        found |= set().union(*(languages_in(member) for member in members_of(kind)))
    if isinstance(kind, inspect.DictType):
        found |= languages_in(kind.key_type) | languages_in(kind.value_type)
    return found
