"""Plain functions as handlers: they get by name what they ask for."""

from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import pytest

from penstock import ConfigurationError, Context, HTTPError, Request, Response
from penstock.request_handlers.functions import function_handler
from tests.pipeline.subject import LOOPS, ask, open_site


def context_of(values: dict[str, Any]) -> Any:
    class Fake:
        route_values = values
        request = "the request"
        response = "the response"

    return Fake()


class TestParameters:
    @pytest.mark.parametrize(
        ("function", "result"),
        [
            (lambda: "nothing", "nothing"),
            (lambda context: context.request, "the request"),
            (lambda request, response: (request, response), ("the request", "the response")),
            (lambda name: name, "eva"),
            (lambda number, name: (number, name), (7, "eva")),
            (lambda request, name: (request, name), ("the request", "eva")),
            (lambda *, name: name, "eva"),
            (lambda name, other="default": (name, other), ("eva", "default")),
            (lambda **values: values, {"name": "eva", "number": 7}),
            (lambda request, **values: (request, values), ("the request", {"name": "eva", "number": 7})),
            (lambda *rest: rest, ()),
        ],
    )
    def test_they_are_given_by_name(self, function: Callable[..., object], result: object) -> None:
        handler = function_handler(function, ["name", "number"])
        assert handler(context_of({"name": "eva", "number": 7})) == result

    def test_a_route_s_own_name_wins(self) -> None:
        handler = function_handler(lambda request: request, ["request"])
        assert handler(context_of({"request": "from the path"})) == "from the path"

    def test_methods_partials_and_callable_objects_are_functions_too(self) -> None:
        class Greeter:
            def greet(self, name: str) -> str:
                return f"method {name}"

            def __call__(self, name: str) -> str:
                return f"object {name}"

        def greet(word: str, name: str) -> str:
            return f"{word} {name}"

        for function, text in (
            (Greeter().greet, "method eva"),
            (Greeter(), "object eva"),
            (partial(greet, "hello"), "hello eva"),
            (partial(greet, word="hello"), "hello eva"),
        ):
            assert function_handler(function, ["name"])(context_of({"name": "eva"})) == text


class TestMistakes:
    def test_a_parameter_that_nobody_has_is_told_with_what_there_is(self) -> None:
        def page(nam: str, requst: Request) -> None:
            pass

        with pytest.raises(ConfigurationError) as caught:
            function_handler(page, ["name"])
        assert len(caught.value.problems) == 2
        assert "wants 'nam'" in str(caught.value)
        assert "context, name, request, response" in str(caught.value)

    def test_a_parameter_by_position_only_cannot_be_given(self) -> None:
        def page(name: str, /) -> None:
            pass

        with pytest.raises(ConfigurationError) as caught:
            function_handler(page, ["name"])
        assert "by position only" in str(caught.value)

    @pytest.mark.parametrize("function", [42, "text"])
    def test_what_has_no_signature_cannot_be_called(self, function: Any) -> None:
        with pytest.raises(ConfigurationError):
            function_handler(function)

    def test_the_mistake_is_found_before_the_first_request(self) -> None:
        with pytest.raises(ConfigurationError) as caught:
            open_site(functions={"/{name}": lambda nam: nam})
        assert "nam" in str(caught.value)


@pytest.mark.parametrize("loop", LOOPS)
class TestAnswers:
    def test_plain_and_async(self, loop: str) -> None:
        async def later(name: str, number: int) -> dict[str, object]:
            return {"name": name, "number": number}

        def at_once(name: str, number: int) -> dict[str, object]:
            return {"name": name, "number": number}

        for function in (later, at_once):
            found = ask(open_site(functions={"/{name}/{number:int}": function}), "/eva%20m/7", loop=loop)
            assert (found.status, found.text) == (200, '{"name":"eva m","number":7}')

    def test_the_body_is_read_with_await(self, loop: str) -> None:
        async def double(request: Request) -> dict[str, int]:
            return {"double": 2 * (await request.json())["number"]}

        assert ask(open_site(function=double), method="POST", body=b'{"number": 21}', loop=loop).text == '{"double":42}'
        assert ask(open_site(function=double), method="POST", body=b"{", loop=loop).status == 400

    def test_an_error_of_its_own_choice(self, loop: str) -> None:
        async def missing(name: str) -> None:
            raise HTTPError(404, f"no {name} here")

        found = ask(open_site(functions={"/{name}": missing}), "/pen", loop=loop)
        assert (found.status, found.text) == (404, "404 Not Found\nno pen here\n")

    def test_a_streamed_answer(self, loop: str) -> None:
        async def count(response: Response) -> None:
            for number in range(3):
                response.write(str(number))
                await response.flush()

        found = ask(open_site(function=count), loop=loop)
        assert found.pieces == [b"0", b"1", b"2"]
        assert found.headers["content-type"] == "text/plain; charset=utf-8"
        assert found.headers["cache-control"] == "private"

    def test_what_a_streamed_answer_says_is_kept(self, loop: str) -> None:
        async def count(response: Response) -> None:
            response.headers["content-type"] = "text/csv"
            response.headers["cache-control"] = "no-store"
            response.write("1")
            await response.flush()

        assert ask(open_site(function=count), loop=loop).headers.items() == [
            ("content-type", "text/csv; charset=utf-8"),
            ("cache-control", "no-store"),
        ]

    def test_a_generator_is_no_answer(self, loop: str) -> None:
        async def pieces() -> AsyncIterator[str]:
            yield "a"

        assert ask(open_site(function=pieces), loop=loop).status == 500

    def test_the_whole_context(self, loop: str) -> None:
        def look(context: Context) -> str:
            return f"{context.stage.name} {context.request.method} {context.principal.name or 'anonymous'}"

        assert ask(open_site(function=look), loop=loop).text == "EXECUTE GET anonymous"
