"""Target: what holds where nothing was said."""

from penstock import Context
from penstock.pipeline.target import Target


def hello(context: Context) -> None:
    """Never called."""


def test_without_settings_it_takes_all_methods_runs_code_and_lets_authorization_decide() -> None:
    target = Target("hello", "/", hello)
    assert (target.name, target.at, target.execute, target.methods, target.needs) == ("hello", "/", hello, (), "script")
    steps = (target.template, target.finish, target.map_handler, target.preload, target.on_start, target.on_stop)
    assert steps == (None,) * 6
    assert target.handler is None
    assert (target.allow_anonymous, target.cancel_on_disconnect, target.only_for_rules) == (False, False, False)
