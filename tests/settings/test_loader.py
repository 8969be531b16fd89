"""This file is the test of loading site files: all mistakes at once, each with its place."""

from pathlib import Path

import msgspec
import pytest

from penstock.errors import ConfigurationError
from penstock.settings import Settings, SiteSettings
from penstock.settings.loader import load, load_site_file

TEN_MISTAKES = """\
[server]
listen = "127.0.0.1:8000"
mode = "prod"
[server.limits]
request_lien = 100
body = 0

[[site]]
root = "publc"
[[site.app]]
at = "/api/"
asgi = "shop.api:app"
[[site.app]]
at = "/a"
asgi = "shop.api:app"
wsgi = "shop.wsgi:application"
[[site.app]]
at = "/a"
app = "shop"
[[site.route]]
function = "shop.pages:hello"
[[site.location]]
at = "/admin"
require = { role = "staff" }
"""

EXPECTED = [
    (2, 'listen must be an array of strings, not a string: write listen = ["127.0.0.1:8000"]'),
    (3, 'mode must be "development" or "production", not "prod"; did you mean "production"?'),
    (5, '[server.limits] does not know "request_lien"; did you mean "request_line"?'),
    (6, "body must be at least 1, not 0"),
    (9, 'root: there is no folder "FOLDER/publc"; did you mean "public"?'),
    (11, 'at: "/api/" ends with a slash: write "/api", which covers everything below as well'),
    (16, '[[site.app]] has "asgi" and "wsgi"; it needs exactly one of "asgi", "wsgi", "owin" or "app"'),
    (18, '"/a" has another [[site.app]], at FILE:14: only one can answer'),
    (19, 'app: "shop" names no attribute: write "shop:app", or what it is called there'),
    (20, '[[site.route]] needs "at"'),
    (24, '[[site.location]] does not know "require"'),
]


def problems_of(text: str | bytes, tmp_path: Path, environ: dict[str, str] | None = None) -> list[tuple[str, str]]:
    file = tmp_path / "penstock.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigurationError) as caught:
        load(file, environ or {})
    return [(problem.where.replace(str(file), "FILE"), problem.message) for problem in caught.value.problems]


class TestMistakes:
    def test_all_are_reported_at_once_with_their_lines(self, tmp_path: Path) -> None:
        (tmp_path / "public").mkdir()
        file = str(tmp_path / "penstock.toml")
        expected = [
            (f"FILE:{line}", message.replace("FOLDER", str(tmp_path)).replace("FILE", file))
            for line, message in EXPECTED
        ]
        assert expected == problems_of(TEN_MISTAKES, tmp_path)

    def test_the_place_is_the_file_as_it_was_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        Path("penstock.toml").write_text("[[site]]\nrot = 1\n")
        with pytest.raises(ConfigurationError) as caught:
            load("penstock.toml", {})
        assert str(caught.value) == 'penstock.toml:2: [[site]] does not know "rot"; did you mean "root"?'

    def test_mistakes_of_variables_come_with_those_of_the_file(self, tmp_path: Path) -> None:
        environ = {
            "PENSTOCK_SERVER__LIMITS__BODY": "much",
            "PENSTOCK_SERVER__LIMTS__QUEUE": "1",
            "PENSTOCK_SITE__ROOT": "x",
        }
        assert problems_of("[[site]]\nrot = 1\n", tmp_path, environ) == [
            ("PENSTOCK_SERVER__LIMITS__BODY", "body must be a whole number, not a string"),
            ("FILE:2", '[[site]] does not know "rot"; did you mean "root"?'),
            ("PENSTOCK_SITE__ROOT", "only keys of [server] can be set by variables"),
            (
                "PENSTOCK_SERVER__LIMTS__QUEUE",
                '[server] does not know "limts"; did you mean PENSTOCK_SERVER__LIMITS__QUEUE?',
            ),
        ]

    def test_a_file_without_a_site_would_answer_nothing(self, tmp_path: Path) -> None:
        nothing = [("FILE:1", "there is no [[site]], so nothing would be answered")]
        assert nothing == problems_of("", tmp_path)
        assert nothing == problems_of("[server]\nbacklog = 5\n", tmp_path)

    @pytest.mark.parametrize(
        ("text", "line", "message"),
        [
            ("[server]\nlisten = \n", 2, "not valid TOML: invalid value"),
            ("[server]\n[server]\n", 2, "not valid TOML: cannot declare ('server',) twice"),
            ("[server]\na = 1\na = 2\n", 3, "not valid TOML: cannot overwrite a value"),
            ("[server]\n\nlisten = [", 3, "not valid TOML: invalid value"),
            ("[server", 1, "not valid TOML: expected ']'"),
            ('a = "x\n"', 1, "not valid TOML: illegal character"),
        ],
    )
    def test_bad_toml_has_its_line(self, text: str, line: int, message: str, tmp_path: Path) -> None:
        ((where, told),) = problems_of(text, tmp_path)
        assert where == f"FILE:{line}"
        assert told.startswith(message)

    def test_bad_utf8_has_its_line(self, tmp_path: Path) -> None:
        ((where, message),) = problems_of(b'[server]\nroot = "\xe9"\n', tmp_path)
        assert (where, message) == ("FILE:2", "the byte 0xe9 is not UTF-8, which TOML must be")

    def test_extremes_are_refused_and_not_a_crash(self, tmp_path: Path) -> None:
        assert problems_of("a = " + "[" * 100_000, tmp_path)[0][1] == "arrays or tables are nested too deeply"
        assert "not valid TOML" in problems_of("a = " + "9" * 10_000, tmp_path)[0][1]
        assert problems_of('[[site]]\nroot = "a\\u0000b"\n', tmp_path) == [
            ("FILE:2", "root must not contain a NUL character")
        ]

    def test_a_missing_file_and_a_folder_are_named(self, tmp_path: Path) -> None:
        for path, message in ((tmp_path / "none.toml", "there is no such file"), (tmp_path, "this is a folder")):
            with pytest.raises(ConfigurationError) as caught:
                load(path, {})
            (problem,) = caught.value.problems
            assert problem.where == str(path)
            assert message in problem.message


class TestSettings:
    def test_what_is_not_written_has_its_default(self, tmp_path: Path) -> None:
        file = tmp_path / "penstock.toml"
        file.write_text("[[site]]\n")
        expected = Settings(sites=(SiteSettings(),))
        loaded = load(file, {})
        assert loaded.sites == expected.sites
        assert loaded.server == msgspec.structs.replace(expected.server, app_dirs=(str(tmp_path),))

    def test_paths_are_absolute_and_names_lower_case(self, tmp_path: Path) -> None:
        (tmp_path / "public").mkdir()
        (tmp_path / "cert.pem").touch()
        file = tmp_path / "penstock.toml"
        file.write_text(
            '[server]\nlisten = ["unix:run.sock", ":80"]\nheaders = { X-A = "B" }\n'
            'tls = { certificate = "cert.pem", key = "cert.pem" }\nlog = { access_file = "access.log" }\n'
            '[[site]]\nroot = "public"\nhosts = ["Example.ORG"]\n'
            '[[site.location]]\nat = "/"\nheaders = { X-C = "D" }\n'
        )
        settings = load(file, {})
        assert settings.server.listen == (f"unix:{tmp_path}/run.sock", ":80")
        assert settings.server.headers == {"x-a": "B"}
        assert settings.server.tls is not None
        assert settings.server.tls.certificate == str(tmp_path / "cert.pem")
        assert settings.server.log.access_file == str(tmp_path / "access.log")
        assert settings.sites[0].root == str(tmp_path / "public")
        assert settings.sites[0].hosts == ("example.org",)
        assert settings.sites[0].locations[0].headers == {"x-c": "D"}

    def test_byte_order_mark_and_windows_line_ends(self, tmp_path: Path) -> None:
        file = tmp_path / "penstock.toml"
        file.write_bytes("\ufeff[server]\r\nbacklog = 5\r\n[[site]]\r\n".encode())
        assert load(file, {}).server.backlog == 5

    def test_variables_stand_above_the_file(self, tmp_path: Path) -> None:
        file = tmp_path / "penstock.toml"
        file.write_text("[server]\nbacklog = 5\nlimits = { queue = 7 }\n[[site]]\n")
        environ = {
            "PENSTOCK_SERVER__BACKLOG": "6",
            "PENSTOCK_SERVER__LIMITS__BODY": "1000",
            "PENSTOCK_SERVER__LISTEN": ":8000, [::1]:9000",
            "PENSTOCK_LOG_LEVEL": "is an option's, not ours",
        }
        server = load(file, environ).server
        assert (server.backlog, server.limits.body, server.limits.queue) == (6, 1000, 7)
        assert server.listen == (":8000", "[::1]:9000")

    def test_the_environment_of_the_process_is_the_default(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PENSTOCK_SERVER__BACKLOG", "9")
        file = tmp_path / "penstock.toml"
        file.write_text("[[site]]\n")
        assert load(file).server.backlog == 9

    def test_places_can_be_asked_for_later(self, tmp_path: Path) -> None:
        file = tmp_path / "penstock.toml"
        file.write_text('[server]\n\n[[site]]\n[[site.app]]\nat = "/"\nasgi = "a:b"\n')
        loaded = load_site_file(file, {"PENSTOCK_SERVER__BACKLOG": "9"})
        assert loaded.where(("site", 0, "app", 0, "asgi")) == f"{file}:6"
        assert loaded.where(("server", "backlog")) == "PENSTOCK_SERVER__BACKLOG"
