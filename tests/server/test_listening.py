"""Where a server listens, before it serves: all places or none, certificates with all their mistakes, FastCGI where it is asked for."""

import logging
from pathlib import Path

import pytest

from penstock.errors import ConfigurationError
from penstock.server.listening import has_tls, judge_fastcgi, open_listeners, open_server_tls
from penstock.settings import RouteSettings, ServerSettings, Settings, SiteSettings, TlsSettings


def test_every_place_or_none(tmp_path: Path) -> None:
    opened = open_listeners(Settings(server=ServerSettings(listen=("127.0.0.1:0", f"unix:{tmp_path}/s"))))
    assert [each.is_unix for each in opened] == [False, True]
    taken = f"127.0.0.1:{opened[0].socket.getsockname()[1]}"
    with pytest.raises(ConfigurationError, match="already in use"):
        open_listeners(Settings(server=ServerSettings(listen=(f"unix:{tmp_path}/t", taken))))
    assert not (tmp_path / "t").exists()
    for each in opened:
        each.close()


def test_certificates_are_those_of_the_server_and_of_sites(tmp_path: Path) -> None:
    assert open_server_tls(Settings()) is None
    missing = TlsSettings(certificate=str(tmp_path / "cert.pem"), key=str(tmp_path / "key.pem"))
    for settings in (Settings(server=ServerSettings(tls=missing)), Settings(sites=(SiteSettings(tls=missing),))):
        assert has_tls(settings)
        with pytest.raises(ConfigurationError, match=r"cert\.pem"):
            open_server_tls(settings)


def test_fastcgi_alone_tells_or_refuses_what_it_cannot_carry(caplog: pytest.LogCaptureFixture) -> None:
    routes = (RouteSettings(at="/chat", websocket="shop.pages:chat"),)
    with caplog.at_level(logging.WARNING, "penstock"):
        judge_fastcgi(Settings(sites=(SiteSettings(routes=routes),)))
    assert "which FastCGI does not carry: such requests are answered with 501" in caplog.text
    with pytest.raises(ConfigurationError, match="which FastCGI does not carry"):
        judge_fastcgi(Settings(server=ServerSettings(strict_host=True), sites=(SiteSettings(routes=routes),)))
