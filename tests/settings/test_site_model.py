"""This file is the test of what a site is made of, and of what holds where nothing was said."""

from penstock.settings import AppSettings, FilesSettings, ModuleSettings, RouteSettings, TraceSettings


def test_head_comes_with_get() -> None:
    assert RouteSettings(at="/", function="a:b").answered_methods == ("GET", "HEAD")
    assert RouteSettings(at="/", function="a:b", methods=("HEAD", "GET")).answered_methods == ("HEAD", "GET")
    assert RouteSettings(at="/", function="a:b", methods=("POST",)).answered_methods == ("POST",)


def test_pipeline_h02_a_star_is_every_method() -> None:
    assert RouteSettings(at="/", function="a:b", methods=("GET", "*")).answered_methods == ()
    assert RouteSettings(at="/", status=404).answered_methods == ()
    assert RouteSettings(at="/", status=404, methods=("POST",)).answered_methods == ("POST",)


def test_pipeline_h12_bodies_are_read_before_where_threads_cannot() -> None:
    assert not RouteSettings(at="/", function="a:b").preloads
    assert RouteSettings(at="/", function="a:b", threads=2).preloads
    assert RouteSettings(at="/", function="a:b", preload=True).preloads


def test_routes_have_labels() -> None:
    assert RouteSettings(at="/", handler="a:B").label == "handler a:B"
    assert RouteSettings(at="/", status=410).label == "status 410"
    assert RouteSettings(at="/", websocket="a:b").label == "websocket a:b"


def test_rfc6455_section_4_1_a_websocket_is_asked_for_with_get() -> None:
    assert RouteSettings(at="/", websocket="a:b").answered_methods == ("GET",)
    assert RouteSettings(at="/", websocket="a:b").subprotocols == ()


def test_pipeline_p21_nothing_is_open_that_a_module_closes() -> None:
    assert not RouteSettings(at="/", function="a:b").allow_anonymous
    assert not AppSettings(at="/", asgi="a:b").allow_anonymous


def test_pipeline_r02_one_handler_answers_all_requests_on_the_loop() -> None:
    route = RouteSettings(at="/", handler="a:B")
    assert (route.lifetime, route.threads, route.settings, route.cancel_on_disconnect) == ("singleton", 0, {}, False)


def test_a_wsgi_application_runs_in_threads() -> None:
    app = AppSettings(at="/", wsgi="a:b")
    assert (app.threads, app.queue, app.factory, app.root_path, app.pathsend) == (4, 1000, False, "", False)


def test_a_module_is_called_like_its_class() -> None:
    assert (ModuleSettings(use="a:B").name, ModuleSettings(use="a:B").settings) == ("", {})


def test_pipeline_d04_a_rule_for_traces_catches_bugs_everywhere() -> None:
    rule = TraceSettings()
    assert (rule.at, rule.status, rule.slower_than) == ("/", ("500-599",), 0.0)


def test_pipeline_f01_files_are_served_without_leaving_the_root() -> None:
    files = FilesSettings()
    assert (files.default_documents, files.fallback, files.follow_symlinks) == (("index.html",), "", False)
    assert (files.precompressed, files.cache_control, files.cache_size) == (("br", "zst", "gz"), "", 64_000_000)
