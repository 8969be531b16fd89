"""Katana's catalogue of the builder (middleware section 14.1), and the rules of ours (15.2, 15.3, 15.5)."""

import asyncio
import functools
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import pytest

from penstock import Builder, Context, Stage
from penstock.pipeline_gateways import tags
from penstock.pipeline_gateways.middleware_errors import AmbiguousSignature, NoConversion, UnsupportedMiddleware
from tests.pipeline.subject import run
from tests.pipeline_gateways.chain_subject import (
    Marking,
    WsgiMarking,
    answering,
    ask_app,
    asked,
    scope_of,
    shaken,
    showing_marks,
    wsgi_page,
)

Text = Callable[[int], str]


class Appending:
    """Middleware of a signature of its own: applications are functions of a number."""

    def __init__(self, app: Text, suffix: str) -> None:
        self.app = app
        self.suffix = suffix

    def __call__(self, number: int) -> str:
        return self.app(number) + self.suffix


def hello(number: int) -> str:
    return f"Hello[{number}]"


class TestKatana:
    def test_middleware_ab_t01_a_function_is_given_the_default_and_its_result_is_the_application(self) -> None:
        given: list[Any] = []
        made = answering(b"made")

        def middleware(app: Any) -> Any:
            given.append(app)
            return made

        builder = Builder({"builder.default_app": answering(b"default")})
        assert builder.new().use(middleware, consumes="asgi3").build() is made
        assert asked(given[0]).body == b"default"

    def test_middleware_ab_t02_extra_arguments_follow_the_application(self) -> None:
        given: list[Any] = []

        def middleware(app: Any, first: int, second: int) -> Any:
            given.append((first, second))
            return app

        Builder().use(middleware, 1, second=2).build()
        assert given == [(1, 2)]

    def test_middleware_ab_t03_each_result_is_converted_back_to_what_was_consumed(self) -> None:
        builder = Builder({"builder.default_app": _tagged("42", "text")})
        builder.use(lambda app: _tagged(app.value + "3", "text"), consumes="text", produces="text")
        builder.use(lambda app: _tagged(app.value + 4, "number"), consumes="number", produces="number")
        builder.add_conversion("text", "number", lambda app: _tagged(int(app.value) + 1, "number"))
        builder.add_conversion("number", "text", lambda app: _tagged(f"{app.value}2", "text"))
        assert builder.build("number").value == 4724

    def test_middleware_ab_t04_the_last_one_used_is_innermost(self) -> None:
        builder = (
            _of_numbers().use(Appending, " world!", consumes="number").use(Appending, " there,", consumes="number")
        )
        assert builder.build("number")(42) == "Hello[42] there, world!"

    def test_middleware_ab_t05_a_function_that_ignores_what_it_wraps_ends_the_chain(self) -> None:
        builder = _of_numbers().use(lambda app: lambda number: f"Called[{number}]", consumes="number")
        assert builder.use(Appending, "never", consumes="number").build("number")(42) == "Called[42]"

    def test_middleware_ab_t06_an_object_that_is_invoked_ends_the_chain_too(self) -> None:
        class Terminal:
            async def invoke(self, context: Context) -> str:
                return f"Called[{context.request.path}]"

        builder = Builder().use(lambda app: Terminal()).use(Marking, "never")
        assert asked(builder.build(), "/42").body == b"Called[/42]"

    def test_middleware_ab_t07_a_class_is_made_with_its_arguments(self) -> None:
        app = Builder().use(Marking, "a").use(Marking, "b", "more").run(showing_marks).build()
        assert asked(app).body == b"a,b,more"

    def test_middleware_ab_t08_a_generic_class_is_made_with_its_arguments(self) -> None:
        mark = TypeVar("mark")

        class Generically(Marking, Generic[mark]):
            pass

        app = Builder().use(Generically[int], 1).use(Generically[str], mark="b").run(showing_marks).build()
        assert asked(app).body == b"1,b"

    def test_middleware_ab_t09_too_many_arguments_are_told_when_it_is_used(self) -> None:
        def middleware(app: Any, first: int) -> Any:
            return app

        builder = Builder()
        with pytest.raises(TypeError, match="too many positional arguments"):
            builder.use(middleware, 1, 2)
        assert builder.items == []

    def test_middleware_ab_t10_a_plain_object_is_none(self) -> None:
        builder = Builder()
        with pytest.raises(UnsupportedMiddleware, match="object is a 'object', which is no middleware"):
            builder.use(object())
        assert builder.items == []

    def test_middleware_ab_t11_forms_of_one_signature_fit_without_a_conversion(self) -> None:
        class Object:
            def __init__(self, app: Text) -> None:
                self.app = app

            def __call__(self, number: int) -> str:
                return self.app(number) + "3"

            def method(self, number: int) -> str:
                return self.app(number) + "2"

        def default(number: int) -> str:
            return str(number)

        default.__gateway__ = "number"  # type: ignore[attr-defined]
        builder = Builder({"builder.default_app": default})
        builder.use(lambda app: lambda number: app(number) + "1", consumes="number")
        builder.use(lambda app: Object(app).method, consumes="number").use(Object, consumes="number")
        assert builder.build("number")(0) == "0321"

    def test_middleware_ab_t12_nothing_answers_404(self) -> None:
        assert asked(Builder().build()).status == 404

    def test_middleware_ab_t13_a_way_there_and_back_is_enough(self) -> None:
        builder = Builder().use(Marking, "a").run(showing_marks)
        builder.add_conversion("asgi3", "own", lambda app: ("own", app))
        builder.add_conversion("own", "asgi3", lambda app: app[1])
        assert builder.build("own")[0] == "own"

    def test_middleware_ab_t14_without_one_both_ends_are_named(self) -> None:
        with pytest.raises(
            NoConversion, match="'asgi3', and nothing makes 'own' of that; it can become: asgi2, native"
        ):
            Builder().build("own")

    def test_middleware_ab_t15_run_answers(self) -> None:
        async def created(context: Context) -> None:
            context.response.status = 201

        assert asked(Builder().run(created).build()).status == 201

    def test_middleware_ab_t16_what_is_set_around_the_rest_stays(self) -> None:
        async def reason(context: Context, following: Any) -> None:
            await following()
            context.response.headers["x-reason"] = "kept"

        answer = asked(Builder().use(reason).build())
        assert (answer.status, answer.headers["x-reason"]) == (404, "kept")

    def test_middleware_ab_t17_an_asgi_application_is_built_as_another_shape(self) -> None:
        app = Builder().run(answering(b"page")).build("wsgi")
        started: list[str] = []
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "SERVER_NAME": "a", "SERVER_PORT": "80"}
        assert list(app(environ, lambda status, headers, info=None: started.append(status))) == [b"page"]
        assert started == ["200 OK"]

    def test_middleware_ab_t18_and_the_reverse(self) -> None:
        assert asked(Builder().run(wsgi_page).build()).body == b"wsgi"

    def test_middleware_ab_t19_two_classes_mark_what_the_application_sees(self) -> None:
        app = Builder().use(Marking, "one").use(Marking, "two", 3, 4.5).run(showing_marks).build()
        assert asked(app).body == b"one,two,3,4.5"

    def test_middleware_ab_t20_an_object_is_initialised_with_the_application(self) -> None:
        class Told:
            def initialize(self, app: Any, text: str) -> None:
                self.app = app
                self.text = text

            async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
                await answering(self.text.encode())(scope, receive, send)

        builder = Builder().use(Told(), "told")
        assert asked(builder.build()).body == b"told"

    def test_middleware_ab_t21_conversions_may_come_behind_use(self) -> None:
        class Foo:
            """Its applications take what ASGI's take, the other way round."""

            def __init__(self, app: Any, mark: str) -> None:
                self.app, self.mark = app, mark

            async def __call__(self, send: Any, receive: Any, scope: Any) -> None:
                await self.app(send, receive, {**scope, "marks": (*scope.get("marks", ()), self.mark)})

        def turned(app: Any) -> Any:
            return lambda first, receive, last: app(last, receive, first)

        builder = Builder().use(Marking, "a").use(Foo, "b", consumes="foo").use(Foo, "c", consumes="foo")
        builder.use(Marking, "d").run(showing_marks)
        builder.add_conversion("asgi3", "foo", turned).add_conversion("foo", "asgi3", turned)
        assert asked(builder.build()).body == b"a,b,c,d"

    def test_middleware_ab_t22_arguments_arrive_as_they_are(self) -> None:
        thing = object()
        given: list[Any] = []

        class Invoked:
            def __init__(self, app: Any, text: str, number: int, anything: object) -> None:
                self.app = app
                given.append((text, number, anything))

            async def invoke(self, context: Context) -> None:
                await self.app(context)

        app = Builder().use(Invoked, "text", 5, anything=thing).run(answering(b"page"), needs=()).build()
        assert asked(app).body == b"page"
        assert given == [("text", 5, thing)]

    @pytest.mark.parametrize(
        ("properties", "status"),
        [
            (None, 404),
            ({}, 404),
            ({"builder.default_app": None}, 404),
            ({"builder.default_app": answering(b"own", 202)}, 202),
        ],
    )
    def test_middleware_ab_t24_a_property_that_is_missing_or_none_is_the_default(
        self, properties: dict[str, Any] | None, status: int
    ) -> None:
        builder = Builder(properties)
        assert asked(builder.build()).status == status
        builder.properties.pop("builder.default_app", None)
        assert asked(builder.build()).status == 404
        if properties is not None:
            assert builder.properties is properties

    @pytest.mark.parametrize("value", [42, "default", object()])
    def test_middleware_ab_t24_one_of_a_wrong_type_is_told(self, value: object) -> None:
        with pytest.raises(TypeError, match="the default application"):
            Builder({"builder.default_app": value}).build()

    def test_middleware_ab_t23_chains_of_one_builder_have_objects_of_their_own(self) -> None:
        root = Builder()
        first, second = (root.new().use(Marking, mark).run(showing_marks).build() for mark in ("first", "second"))
        assert [asked(app).body for app in (first, second, first)] == [b"first", b"second", b"first"]


class _tagged:  # noqa: N801
    """A value with a signature."""

    def __init__(self, value: Any, gateway: str) -> None:
        self.value = value
        self.__gateway__ = gateway


def _of_numbers() -> Builder:
    hello.__gateway__ = "number"  # type: ignore[attr-defined]
    return Builder({"builder.default_app": hello})


async def around(context: Context, following: Any) -> None:
    await following()


class TestRules:
    def test_middleware_r_ab_01_nothing_is_made_before_it_is_built(self) -> None:
        class Failing:
            def __init__(self, app: Any) -> None:
                raise KeyError("meant")

            async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...

        builder = Builder()
        assert builder.use(Failing) is builder
        with pytest.raises(KeyError, match="meant"):
            builder.build()

    def test_middleware_r_ab_02_branches_share_properties_and_not_middleware(self) -> None:
        builder = Builder().use(Marking, "x")
        branch = builder.new()
        branch.properties["k"] = 1
        assert builder.properties["k"] == 1
        assert asked(branch.run(showing_marks).build()).body == b""

    def test_middleware_r_ab_04_what_cannot_be_converted_back_is_told(self) -> None:
        builder = Builder().use(lambda app: app, consumes="asgi3", produces="own")
        with pytest.raises(NoConversion, match="'own', and nothing makes 'asgi3' of that; it can become: nothing"):
            builder.build("own")

    def test_middleware_r_ab_06_one_object_belongs_to_one_chain(self) -> None:
        class Once:
            def initialize(self, app: Any) -> None: ...

            async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...

        builder = Builder().use(Once())
        builder.build()
        with pytest.raises(RuntimeError, match="belongs to a chain already: use its class"):
            builder.build()

    def test_middleware_py_t35_built_twice_there_are_two(self) -> None:
        Marking.made = 0
        builder = Builder().use(Marking, "a").run(showing_marks)
        first, second = builder.build(), builder.build()
        assert (first is second, Marking.made) == (False, 2)
        assert asked(first).body == asked(second).body == b"a"

    def test_middleware_py_t35_branches_are_made_anew_too(self) -> None:
        made = Marking.made
        builder = Builder().map("/a", lambda branch: branch.use(Marking, "a").run(showing_marks))
        apps = [builder.build() for _ in range(3)]
        assert Marking.made == made + 3
        assert {asked(app, "/a").body for app in apps} == {b"a"}

    @pytest.mark.parametrize("is_direct", [True, False])
    def test_a_builder_is_no_branch_of_itself(self, is_direct: bool) -> None:
        builder = Builder()
        with pytest.raises(ValueError, match="a builder cannot be a branch of itself"):
            builder.map("/a", builder if is_direct else lambda branch: branch.map("/b", builder))
        assert builder.items == []

    def test_builders_in_a_circle_are_told(self) -> None:
        one, two = Builder(), Builder()
        one.map("/two", two)
        two.map("/one", one)
        with pytest.raises(ValueError, match="leads back to the builder"):
            [two.build() for _ in range(3)]

    def test_middleware_r_mp_01_a_branch_that_fails_leaves_nothing_behind(self) -> None:
        def configure(branch: Builder) -> None:
            branch.use_stage_marker("begin").use(Marking, "a")
            raise KeyError("no configuration")

        builder = Builder().use(Marking, "b")
        with pytest.raises(KeyError, match="no configuration"):
            builder.map("/a", configure)
        assert [each.name for each in builder.items] == ["Marking"]

    def test_what_is_called_with_the_branch_and_answers_is_told(self) -> None:
        def page(request: Any) -> str:
            return "page"

        with pytest.raises(TypeError, match=r"map /a: .*page was called with the branch.*returned str.*native\(x\)"):
            Builder().map("/a", page)

    def test_middleware_r_ab_08_one_that_makes_none_is_named(self) -> None:
        def forgetful(app: Any) -> None: ...

        with pytest.raises(TypeError, match="forgetful made None of the application"):
            Builder().use(forgetful).build()

    def test_middleware_r_ab_09_a_conversion_takes_an_application(self) -> None:
        with pytest.raises(TypeError, match="not None"):
            Builder().add_conversion("a", "b", None)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="called with one application"):
            Builder().add_conversion("a", "b", lambda: None)  # type: ignore[arg-type, misc]

    def test_middleware_r_ab_10_the_same_pair_again_stands_in_its_place(self) -> None:
        builder = Builder({"builder.default_app": _tagged("1", "text")})
        builder.add_conversion("text", "number", lambda app: int(app.value) + 1)
        builder.add_conversion("text", "number", lambda app: int(app.value) + 100)
        assert builder.build("number") == 101

    def test_middleware_r_ab_15_none_is_no_middleware(self) -> None:
        with pytest.raises(TypeError, match="the middleware is None"):
            Builder().use(None)
        with pytest.raises(TypeError, match="not None"):
            Builder().run(None)

    def test_middleware_r_ab_17_what_is_behind_run_is_never_reached(self, caplog: pytest.LogCaptureFixture) -> None:
        app = Builder().run(answering(b"first")).use(Marking, "x").build()
        assert asked(app).body == b"first"
        assert "never reached" in caplog.text

    def test_middleware_r_cv_01_without_need_nothing_is_converted(self) -> None:
        application = answering(b"")
        assert Builder().run(application).build() is application

    def test_middleware_r_py_01_what_a_class_needs_is_told_when_it_is_used(self) -> None:
        class Level:
            def __init__(self, app: Any, level: int) -> None: ...

            async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...

        with pytest.raises(TypeError, match=r"Level.*level.*missing a required argument: 'level'"):
            Builder().use(Level)

    def test_middleware_r_py_12_a_loss_that_is_needed_is_refused(self) -> None:
        builder = Builder().use(WsgiMarking).run(answering(b""), needs=("websocket",))
        with pytest.raises(NoConversion, match="needs websocket, which the conversion asgi3 -> wsgi would lose"):
            builder.build()

    @pytest.mark.parametrize("middleware", [WsgiMarking, lambda app: WsgiMarking(app, "x-made"), around])
    def test_middleware_r_py_12_a_loss_is_refused_or_told_when_it_is_built(
        self, middleware: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        with pytest.raises(NoConversion, match="needs websocket, which the conversion"):
            Builder().use(middleware).run(answering(b""), needs=("websocket",)).build()
        Builder().use(middleware).run(answering(b""), needs=()).build()
        Builder().use(middleware).run(wsgi_page).build()
        Builder().use(middleware).build()
        assert caplog.messages == []
        Builder().use(middleware).run(showing_marks).build()
        (told,) = caplog.messages
        assert "WebSockets to showing_marks will be refused with 403" in told

    def test_middleware_r_py_12_otherwise_its_handshakes_are_refused(self) -> None:
        app = Builder().use(WsgiMarking).run(answering(b"page")).build()
        assert (asked(app).body, shaken(app).sent) == (
            b"page",
            [{"type": "websocket.close", "code": 1000, "reason": ""}],
        )

    def test_middleware_r_py_14_neighbours_of_other_shapes_are_independent(self) -> None:
        order: list[str] = []

        async def native(context: Context, following: Any) -> None:
            order.append("native")
            await following()

        app = Builder().use(Marking, "a").use(native).use(Marking, "b").run(showing_marks).build()
        assert (asked(app).body, order) == (b"a,b", ["native"])


class Invoking:
    """An application (context) as an object."""

    async def invoke(self, context: Context) -> str:
        return "page"


class CallableObject:
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await answering(b"page")(scope, receive, send)


class OldStyle:
    """ASGI 2."""

    def __init__(self, scope: Any) -> None:
        self.scope = scope

    async def __call__(self, receive: Any, send: Any) -> None:
        await answering(b"page")(self.scope, receive, send)


async def native_page(context: Context) -> str:
    return "page"


def plain_page(context: Context) -> str:
    return "page"


def wsgi_app(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    return [b"page"]


async def owin_page(environment: Any) -> None:
    await environment["owin.ResponseBody"].write(b"page")


def asgi3_class_middleware(app: Any) -> Any:
    return Marking(app)


class NativeClass:
    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, context: Context) -> None:
        await self.app(context)


async def generating(context: Context) -> Any:
    yield


class TestShapes:
    @pytest.mark.parametrize(
        "application",
        [
            answering(b"page"),
            CallableObject(),
            functools.partial(answering(b"page")),
            OldStyle,
            native_page,
            plain_page,
            Invoking(),
            wsgi_app,
            functools.partial(wsgi_app),
            owin_page,
        ],
    )
    def test_middleware_py_t01_every_shape_answers_the_same(self, application: Any) -> None:
        assert asked(Builder().run(application).build()).body == b"page"

    @pytest.mark.parametrize(
        "middleware",
        [Marking, asgi3_class_middleware, NativeClass, around, generating, WsgiMarking, tags.factory(Marking)],
    )
    @pytest.mark.parametrize("application", [answering(b"page"), native_page, wsgi_app])
    def test_middleware_py_t01_in_every_middleware(self, middleware: Any, application: Any) -> None:
        assert asked(Builder().use(middleware).run(application).build()).body == b"page"

    def test_middleware_py_t02_in_doubt_the_candidates_are_named(self) -> None:
        def doubtful(first: Any) -> None: ...

        with pytest.raises(AmbiguousSignature, match=r"ASGI 2 or a plain function.*a tag says which: asgi3\(x\)"):
            Builder().run(doubtful)

    def test_middleware_py_t03_a_tag_decides(self) -> None:
        def doubtful(first: Any) -> str:
            return "page"

        assert asked(Builder().run(tags.native(doubtful)).build()).body == b"page"
        assert asked(Builder().run(doubtful, signature="native").build()).body == b"page"

    def test_middleware_py_t04_two_parameters_are_a_middleware_in_use_and_rsgi_in_run(self) -> None:
        async def two(first: Any, second: Any) -> None: ...

        assert "around" in Builder().use(two).describe()
        with pytest.raises(NoConversion, match="'rsgi', and nothing makes 'asgi3' of that"):
            Builder().run(two).build()

    def test_middleware_r_py_03_what_has_no_signature_needs_a_tag(self) -> None:
        with pytest.raises(AmbiguousSignature, match="no signature to read; a tag says what it is"):
            Builder().use(iter)

    def test_middleware_r_py_04_one_without_parameters_is_refused(self) -> None:
        def nothing() -> None: ...

        with pytest.raises(TypeError, match=r"nothing.*takes no application"):
            Builder().use(nothing)

    def test_an_application_is_no_middleware(self) -> None:
        for application in (answering(b""), wsgi_app, native_page):
            with pytest.raises(TypeError, match=r"use run\(\)"):
                Builder().use(application)

    def test_one_that_is_not_async_is_told_so(self) -> None:
        def middleware(context: Any, call_next: Any) -> None: ...

        with pytest.raises(AmbiguousSignature, match="is not async: it may be `async def`"):
            Builder().use(middleware)

    def test_carriers_are_taken_apart(self) -> None:
        from starlette.middleware import Middleware

        assert asked(Builder().use(Middleware(Marking, mark="m")).run(showing_marks).build()).body == b"m"

    def test_middleware_py_t05_signatures_of_ones_own(self) -> None:
        builder = _of_numbers().use(Appending, "!", consumes="number")
        assert builder.build("number")(1) == "Hello[1]!"

    def test_middleware_py_t07_a_conversion_is_looked_for_when_it_is_built(self) -> None:
        builder = _of_numbers().use(Marking, "a")
        with pytest.raises(NoConversion):
            builder.build()
        builder.add_conversion("number", "asgi3", lambda app: answering(app(7).encode()))
        assert asked(builder.build()).body == b"Hello[7]"

    def test_middleware_py_t08_a_branch_is_built_at_once(self) -> None:
        builder = _of_numbers()
        with pytest.raises(NoConversion, match="'number', and nothing makes 'asgi3'"):
            builder.map("/a", lambda branch: branch.use(Appending, "!", consumes="number"))
        assert builder.items == []


class TestDescribe:
    def test_middleware_py_t36_it_is_the_same_each_time(self) -> None:
        builder = Builder().use(Marking, "a").use_stage_marker("authenticate").use(around).use(WsgiMarking)
        builder.use_stage_marker(Stage.MAP_HANDLER).use(lambda app: app).map("/x", answering(b"")).run(wsgi_page)
        assert builder.describe() == builder.describe()
        assert builder.describe().splitlines() == [
            "   stage         kind         name         signature  conversion to what it wraps",
            "1  AUTHENTICATE  class        Marking      asgi3      native -> asgi3",
            "2  MAP_HANDLER   around       around       native     wsgi -> asgi3 -> native, loses websocket",
            "3  MAP_HANDLER   class        WsgiMarking  wsgi       when it is built",
            "4  PRE_EXECUTE   factory      <lambda>     any        when it is built",
            "5  PRE_EXECUTE   branch       map /x       asgi3      wsgi -> asgi3",
            "6  PRE_EXECUTE   application  wsgi_page    wsgi",
        ]


class TestVariables:
    def test_middleware_py_t23_what_is_set_outside_is_seen_inside(self) -> None:
        from contextvars import ContextVar

        variable: ContextVar[str] = ContextVar("variable", default="nothing")

        async def setting(context: Context, following: Any) -> None:
            variable.set("set")
            await following()

        async def inner(context: Context) -> str:
            return variable.get()

        app = Builder().use(setting).run(inner).build()
        assert asked(app).body == b"set"

        async def both() -> list[bytes]:
            plain = Builder().run(inner).build()
            return [(await ask_app(each, scope_of())).body for each in (app, plain)]

        assert run(both) == [b"set", b"nothing"]

    def test_middleware_py_t24_errors_come_as_they_are(self) -> None:
        async def failing(scope: Any, receive: Any, send: Any) -> None:
            raise KeyError("meant")

        seen: list[BaseException] = []

        async def catching(context: Context, following: Any) -> None:
            try:
                await following()
            except Exception as error:
                seen.append(error)
                context.response.status = 418

        assert asked(Builder().use(catching).use(Marking).run(failing).build()).status == 418
        assert [type(error) for error in seen] == [KeyError]
        with pytest.raises(KeyError):
            asyncio.run(ask_app(Builder().use(Marking).run(failing).build(), scope_of()))
