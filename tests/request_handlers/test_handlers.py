"""Handlers that are objects: made once, for each request, or by a factory."""

import asyncio
import errno
from typing import Any

import pytest

from penstock import ConfigurationError, Context, HTTPError
from penstock.request_handlers.handlers import FromFactory, Maker, PerRequest, Singleton, SingletonHandler


class Cart:
    made = 0

    def __init__(self, currency: str = "EUR") -> None:
        Cart.made += 1
        self.currency = currency

    def handle(self, context: Context) -> str:
        return self.currency


class Both:
    def handle(self, context: Context) -> str:
        return "plain"

    async def handle_async(self, context: Context) -> str:
        return "async"


class Called:
    def __call__(self, context: Context) -> str:
        return "called"


class Static:
    @staticmethod
    def handle(context: Context) -> str:
        return "static"

    @classmethod
    def handle_async(cls, context: Context) -> str:
        return cls.__name__


class Nothing:
    pass


class TwoArguments:
    def handle(self, context: Context, more: int) -> None: ...


class Carts:
    def get(self, context: Context) -> object:
        return Cart()


class FakeContext:
    """What a step of MAP_HANDLER touches of a context."""

    def __init__(self) -> None:
        self.rest = self
        self.handler: object = None
        self.releases: list[tuple[object, Any]] = []

    def release_handler(self, handler: object, release: Any) -> None:
        self.releases.append((handler, release))


def maker(found: object, **settings: object) -> Maker:
    return Maker(found, settings, "handler shop:Cart")


def refused(make: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        make()
    return caught.value.problems[0].message


class TestMaker:
    def test_pipeline_r01_looking_at_a_class_makes_nothing(self) -> None:
        before = Cart.made
        maker(Cart, currency="CHF").check_methods("handle")
        assert Cart.made == before

    def test_settings_that_the_constructor_does_not_take(self) -> None:
        message = refused(lambda: maker(Cart, currenzy="CHF"))
        assert "handler shop:Cart cannot be constructed with these `settings`" in message
        assert "currenzy" in message

    def test_settings_for_what_is_no_class(self) -> None:
        assert "is no class, so there is nothing to give `settings` to" in refused(
            lambda: maker(Cart(), currency="CHF")
        )

    def test_an_object_is_taken_as_it_is(self) -> None:
        cart = Cart()
        assert maker(cart).make() is cart


class TestSingletonHandler:
    @pytest.mark.parametrize(
        ("found", "answer"),
        [
            (Cart, "EUR"),
            (Cart("CHF"), "CHF"),
            (Called, "called"),
            (Called(), "called"),
            (lambda context: "function", "function"),
            (Static, "Static"),
        ],
    )
    def test_the_ways_to_be_one(self, found: object, answer: str) -> None:
        handler = SingletonHandler(maker(found))
        asyncio.run(handler.start())
        context: Any = FakeContext()
        assert handler.handle(context) == answer

    def test_pipeline_h11_async_wins(self) -> None:
        async def ask() -> Any:
            handler = SingletonHandler(maker(Both))
            await handler.start()
            context: Any = FakeContext()
            answer: Any = handler.handle(context)
            return await answer

        assert asyncio.run(ask()) == "async"

    @pytest.mark.parametrize("found", [Nothing, Nothing(), 7])
    def test_what_is_no_handler(self, found: object) -> None:
        message = refused(lambda: SingletonHandler(maker(found)))
        assert message == "handler shop:Cart has neither `handle_async` nor `handle` nor `__call__`"

    def test_pipeline_a09_wrong_number_of_arguments(self) -> None:
        message = refused(lambda: SingletonHandler(maker(TwoArguments)))
        assert message.startswith("handler shop:Cart: handle is called with one argument, the context: missing")

    def test_pipeline_z10_is_made_at_start_and_not_before(self) -> None:
        before = Cart.made
        handler = SingletonHandler(maker(Cart))
        assert Cart.made == before
        asyncio.run(handler.start())
        assert Cart.made == before + 1


class TestLife:
    @pytest.mark.parametrize("names", [("on_start", "on_stop"), ("start", "stop")])
    @pytest.mark.parametrize("is_async", [False, True])
    def test_starts_and_stops(self, names: tuple[str, str], is_async: bool) -> None:
        log: list[str] = []

        def action(name: str) -> Any:
            async def wait() -> None:
                log.append(name)

            return (lambda self: wait()) if is_async else (lambda self: log.append(name))

        found = type("Living", (Cart,), {name: action(name) for name in names})

        async def live() -> None:
            singleton = Singleton(maker(found))
            await singleton.start()
            await singleton.stop()
            assert singleton.made is None

        asyncio.run(live())
        assert log == list(names)

    def test_on_start_goes_before_start(self) -> None:
        log: list[str] = []
        found = type("Two", (Cart,), {name: lambda self, n=name: log.append(n) for name in ("start", "on_start")})
        asyncio.run(Singleton(maker(found)).start())
        assert log == ["on_start"]


class TestPerRequest:
    def test_pipeline_r02_each_request_has_its_own(self) -> None:
        mapping = PerRequest(maker(Cart))
        one, other = FakeContext(), FakeContext()
        before = Cart.made
        for context in (one, other):
            any_context: Any = context
            mapping.map(any_context)
        assert one.handler is not other.handler
        assert Cart.made == before + 2
        assert one.releases == []

    @pytest.mark.parametrize("name", ["close", "aclose"])
    def test_pipeline_r04_what_can_be_closed_is_released(self, name: str) -> None:
        log: list[str] = []
        found = type("Closing", (Cart,), {name: lambda self: log.append(name)})
        context: Any = FakeContext()
        PerRequest(maker(found)).map(context)
        ((handler, release),) = context.releases
        release(handler)
        assert log == [name]

    def test_an_object_cannot_be_made_again(self) -> None:
        assert 'lifetime = "per_request" makes an object of it' in refused(lambda: PerRequest(maker(Cart())))


class TestFactory:
    def test_needs_get(self) -> None:
        assert refused(lambda: FromFactory(maker(Cart))) == "handler shop:Cart has no `get`"

    @pytest.mark.parametrize("is_async", [False, True])
    def test_pipeline_h08_no_handler_is_404(self, is_async: bool) -> None:
        async def wait() -> None: ...

        found = type("Empty", (), {"get": lambda self, context: wait() if is_async else None})
        with pytest.raises(HTTPError) as caught:
            self.map(found, FakeContext())
        assert caught.value.status == 404

    @pytest.mark.parametrize("is_async", [False, True])
    @pytest.mark.parametrize(
        ("error", "status"),
        [
            (FileNotFoundError(2, "no such file", "/secret/place"), 404),
            (NotADirectoryError(20, "not a directory", "/secret/place"), 404),
            (OSError(errno.ENAMETOOLONG, "too long", "/secret/place"), 414),
        ],
    )
    def test_pipeline_h07_paths_that_lead_nowhere(self, error: OSError, status: int, is_async: bool) -> None:
        class Failing:
            def get(self, context: Context) -> object:
                if is_async:
                    return self.fail()
                raise error

            async def fail(self) -> object:
                raise error

        with pytest.raises(HTTPError) as caught:
            self.map(Failing, FakeContext())
        assert caught.value.status == status
        assert "secret" not in str(caught.value) + caught.value.detail
        assert caught.value.__cause__ is error

    def test_other_errors_are_bugs(self) -> None:
        class Failing:
            def get(self, context: Context) -> object:
                raise OSError(errno.EIO, "broken")

        with pytest.raises(OSError, match="broken"):
            self.map(Failing, FakeContext())

    def test_pipeline_r04_release_is_the_factory_s(self) -> None:
        class Pool(Carts):
            def release(self, handler: Cart) -> None:
                released.append(handler)

        released: list[Cart] = []
        context = FakeContext()
        self.map(Pool, context)
        ((handler, release),) = context.releases
        release(handler)
        assert released == [context.handler] == [handler]

    def test_release_may_be_left_out(self) -> None:
        context = FakeContext()
        self.map(Carts, context)
        assert isinstance(context.handler, Cart)
        assert context.releases == []

    @staticmethod
    def map(found: object, context: Any) -> None:
        async def work() -> None:
            factory = FromFactory(maker(found))
            await factory.start()
            pending = factory.map(context)
            if pending is not None:
                await pending

        asyncio.run(work())
