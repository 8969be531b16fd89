from penstock.errors import StartupError
from penstock.server.tracebacks import traceback_of
from penstock.settings.references import load_reference


def test_without_a_cause_the_message() -> None:
    assert traceback_of(StartupError("nothing to blame")) == "nothing to blame\n"


def test_frames_that_led_there_are_left_out() -> None:
    try:
        try:
            compile("1 / 0", "shop.py", "exec")
            exec(compile("1 / 0", "shop.py", "exec"))
        except ZeroDivisionError as error:
            raise StartupError("shop failed") from error
    except StartupError as error:
        lines = traceback_of(error).splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-1] == "ZeroDivisionError: division by zero"


def test_an_error_of_our_own_keeps_its_frames() -> None:
    try:
        load_reference("no_such_module_anywhere:app")
    except Exception as error:
        failure = StartupError("wrapped")
        failure.__cause__ = error
    assert "references.py" in traceback_of(failure)


def test_causes_are_shown_too() -> None:
    first, second = KeyError("first"), ValueError("second")
    second.__cause__ = first
    failure = StartupError("failed")
    failure.__cause__ = second
    text = traceback_of(failure)
    assert text.index("KeyError") < text.index("ValueError: second")
