"""The table: every case, the servers beside ours and the ratios that are due."""

from benchmarks.apps.hello_asgi import EVENT, GREETING, LARGE
from benchmarks.bench.clients import Events, FirstAnswer, IdleMemory
from benchmarks.bench.exchanges import (
    BROWSER,
    FASTAPI_ANSWER,
    FROM_A_SHOP,
    STARLETTE_ANSWER,
    TEN_KILOBYTES,
    TEN_MEGABYTES,
)
from benchmarks.bench.guest_cases import GUEST_CASES
from benchmarks.bench.h2load import ConstantRate
from benchmarks.bench.model import EVENTS, MEMORY, P99, PER_CONNECTION, REQUESTS, START, Case, Exchange, Rival
from benchmarks.bench.playground import file_bytes
from benchmarks.bench.pool_cases import POOL_CASES
from benchmarks.bench.proxy_cases import PROXY_CASES
from benchmarks.bench.recipes import (
    FLOOR,
    NGINX,
    TLS,
    fast_c,
    granian,
    granian_wsgi,
    gunicorn,
    penstock,
    penstock_logging,
    penstock_site,
    uvicorn,
    uvicorn_logging,
    without_modules,
)
from benchmarks.bench.socket_cases import SOCKET_CASES
from benchmarks.bench.staged_cases import STAGED_CASES
from benchmarks.bench.worker_cases import WORKER_CASES
from benchmarks.bench.wrk import Wrk

HELLO = Exchange(expected=GREETING)
SHOP_ITEM = Exchange(path="/items/7", headers=FROM_A_SHOP, expected=STARLETTE_ANSWER)
ASGI, WSGI = "hello_asgi:hello", "hello_wsgi:hello"
BEHIND_FIVE = uvicorn("five_middlewares:build", "--factory")


def file_case(size: str, length: int, *, pure: float, compiled: float) -> Case:
    return Case(
        name=f"file-{size}",
        title=f"static file of {size.upper()}",
        metric=REQUESTS,
        load=Wrk(),
        exchange=Exchange(path=f"/{size}.bin", expected=file_bytes(length)),
        ours=penstock_site("files"),
        rivals=(Rival(recipe=NGINX, pure=pure, compiled=compiled),),
    )


CASES = (
    Case(
        name="function",
        title="plain function, 13 bytes",
        metric=REQUESTS,
        load=Wrk(),
        exchange=HELLO,
        ours=penstock_site("function"),
        rivals=(Rival(recipe=FLOOR, pure=0.68, compiled=0.78, aim=0.85),),
    ),
    Case(
        name="asgi",
        title="ASGI, 13 bytes",
        metric=REQUESTS,
        load=Wrk(),
        exchange=HELLO,
        ours=penstock(ASGI),
        rivals=(
            Rival(recipe=uvicorn(ASGI), pure=1.3, compiled=1.5, aim=2.0),
            Rival(recipe=granian("asgi", ASGI), pure=2.1, compiled=2.3),
            Rival(recipe=fast_c("fastpysgi", ASGI), pure=1.15, compiled=1.3),
        ),
    ),
    Case(
        name="asgi-browser",
        title="ASGI, 13 bytes, 20 request headers of a browser",
        metric=REQUESTS,
        load=Wrk(),
        exchange=Exchange(expected=GREETING, headers=BROWSER),
        ours=penstock(ASGI),
        rivals=(Rival(recipe=uvicorn(ASGI), pure=1.3, compiled=1.4, aim=2.0),),
    ),
    Case(
        name="asgi-10k",
        title="ASGI, answer of 10 KB",
        metric=REQUESTS,
        load=Wrk(),
        exchange=Exchange(expected=LARGE),
        ours=penstock("hello_asgi:large"),
        rivals=(Rival(recipe=uvicorn("hello_asgi:large"), pure=1.25, compiled=1.4),),
    ),
    Case(
        name="post-10k",
        title="ASGI, POST of 10 KB echoed",
        metric=REQUESTS,
        load=Wrk(),
        exchange=Exchange(method="POST", body=TEN_KILOBYTES, expected=TEN_KILOBYTES),
        ours=penstock("hello_asgi:echo"),
        rivals=(Rival(recipe=uvicorn("hello_asgi:echo"), pure=1.25, compiled=1.4),),
    ),
    Case(
        name="upload-10m",
        title="ASGI, upload of 10 MB",
        metric=REQUESTS,
        load=Wrk(),
        exchange=Exchange(method="POST", body=TEN_MEGABYTES, expected=b"%d" % len(TEN_MEGABYTES)),
        ours=penstock("hello_asgi:upload"),
        rivals=(Rival(recipe=uvicorn("hello_asgi:upload"), pure=1.25, compiled=1.4),),
    ),
    Case(
        name="access-log",
        title="ASGI, 13 bytes, access log to a file",
        metric=REQUESTS,
        load=Wrk(access_log=True),
        exchange=HELLO,
        ours=penstock_logging(ASGI),
        rivals=(Rival(recipe=uvicorn_logging(ASGI), pure=2.0, compiled=2.5),),
    ),
    Case(
        name="new-connection",
        title="ASGI, 13 bytes, a new connection for each request",
        metric=REQUESTS,
        load=Wrk(),
        exchange=Exchange(expected=GREETING, headers=(("Connection", "close"),)),
        ours=penstock(ASGI),
        rivals=(Rival(recipe=uvicorn(ASGI), pure=1.1, compiled=1.2),),
    ),
    Case(
        name="connections-1000",
        title="ASGI, 13 bytes, 1 000 connections",
        metric=REQUESTS,
        load=Wrk(connections=1000),
        exchange=HELLO,
        ours=penstock(ASGI),
        rivals=(Rival(recipe=uvicorn(ASGI), pure=1.1, compiled=1.2),),
    ),
    Case(
        name="https",
        title="ASGI, 13 bytes, HTTPS (EC P-256), keep-alive",
        metric=REQUESTS,
        load=Wrk(),
        exchange=Exchange(expected=GREETING, tls=True),
        ours=penstock(ASGI, *TLS),
        rivals=(Rival(recipe=uvicorn(ASGI, *TLS), pure=1.4, compiled=1.6, aim=2.0),),
    ),
    Case(
        name="sse",
        title="server-sent events, 200 clients",
        metric=EVENTS,
        load=Events(),
        exchange=Exchange(expected=EVENT * 10, endless=True),
        ours=penstock("hello_asgi:events"),
        rivals=(Rival(recipe=uvicorn("hello_asgi:events"), pure=1.3, compiled=1.4),),
    ),
    Case(
        name="starlette",
        title="Starlette JSON route",
        metric=REQUESTS,
        load=Wrk(),
        exchange=Exchange(path="/items/7", expected=STARLETTE_ANSWER),
        ours=penstock("hello_starlette:application"),
        rivals=(Rival(recipe=uvicorn("hello_starlette:application"), pure=1.15, compiled=1.25),),
    ),
    Case(
        name="hooks-plain",
        title="plain function behind a module with 20 plain hooks",
        metric=REQUESTS,
        load=Wrk(),
        exchange=HELLO,
        ours=penstock_site("hooks_plain"),
        rivals=(Rival(recipe=without_modules("function"), pure=0.85, compiled=0.85),),
    ),
    Case(
        name="hooks-async",
        title="plain function behind a module with 20 async hooks that do not wait",
        metric=REQUESTS,
        load=Wrk(),
        exchange=HELLO,
        ours=penstock_site("hooks_async"),
        rivals=(Rival(recipe=without_modules("function"), pure=0.65, compiled=0.65),),
    ),
    Case(
        name="modules-starlette",
        title="Starlette JSON route behind five modules; uvicorn with five ASGI middlewares",
        metric=REQUESTS,
        load=Wrk(),
        exchange=SHOP_ITEM,
        ours=penstock_site("modules_starlette"),
        rivals=(Rival(recipe=BEHIND_FIVE, pure=1.6, compiled=1.6),),
    ),
    Case(
        name="modules-function",
        title="plain function with the same JSON behind five modules; uvicorn with Starlette and five middlewares",
        metric=REQUESTS,
        load=Wrk(),
        exchange=SHOP_ITEM,
        ours=penstock_site("modules_function"),
        rivals=(Rival(recipe=BEHIND_FIVE, pure=2.3, compiled=2.3),),
    ),
    Case(
        name="fastapi",
        title="FastAPI JSON route with a model",
        metric=REQUESTS,
        load=Wrk(),
        exchange=Exchange(path="/items/7", expected=FASTAPI_ANSWER),
        ours=penstock("hello_fastapi:application"),
        rivals=(Rival(recipe=uvicorn("hello_fastapi:application"), pure=1.05, compiled=1.07),),
    ),
    Case(
        name="wsgi-threads",
        title="WSGI in 4 threads, 13 bytes",
        metric=REQUESTS,
        load=Wrk(),
        exchange=HELLO,
        ours=penstock(WSGI, "--threads", "4"),
        rivals=(
            Rival(recipe=gunicorn(WSGI), pure=4.5, compiled=5.0),
            Rival(recipe=granian_wsgi(WSGI), pure=0.5, compiled=0.6, aim=1.0),
        ),
    ),
    Case(
        name="wsgi-inline",
        title="WSGI inline, 13 bytes",
        metric=REQUESTS,
        load=Wrk(),
        exchange=HELLO,
        ours=penstock(WSGI, "--threads", "0"),
        rivals=(
            Rival(recipe=granian_wsgi(WSGI), pure=0.9, compiled=1.0),
            Rival(recipe=fast_c("fastwsgi", WSGI), pure=0.55, compiled=0.6),
        ),
    ),
    file_case("1k", 1024, pure=1.0, compiled=1.15),
    file_case("50k", 50_000, pure=0.6, compiled=0.6),
    file_case("1m", 1_048_576, pure=0.9, compiled=0.9),
    *STAGED_CASES,
    *GUEST_CASES,
    *PROXY_CASES,
    *POOL_CASES,
    *WORKER_CASES,
    Case(
        name="mixed",
        title="ASGI at 5 000 requests/s while WSGI threads burn CPU; uvicorn without them",
        metric=P99,
        load=ConstantRate(burning="/burn"),
        exchange=Exchange(path="/api", expected=GREETING),
        ours=penstock_site("mixed"),
        rivals=(Rival(recipe=uvicorn(ASGI), pure=4.0, compiled=4.0, aim=2.0, load=ConstantRate()),),
    ),
    Case(
        name="constant-rate",
        title="ASGI at a constant 5 000 requests/s",
        metric=P99,
        load=ConstantRate(),
        exchange=HELLO,
        ours=penstock(ASGI),
        rivals=(Rival(recipe=uvicorn(ASGI), pure=1.0, compiled=1.0),),
    ),
    Case(
        name="memory",
        title="resident memory, idle after a first answer",
        metric=MEMORY,
        load=IdleMemory(),
        exchange=HELLO,
        ours=penstock(ASGI),
        rivals=(Rival(recipe=uvicorn(ASGI), pure=1.1, compiled=1.1),),
    ),
    Case(
        name="memory-connection",
        title="resident memory of each of 8 000 idle keep-alive connections",
        metric=PER_CONNECTION,
        load=IdleMemory(connections=8000),
        exchange=HELLO,
        ours=penstock(ASGI),
        rivals=(Rival(recipe=uvicorn(ASGI, "--timeout-keep-alive", "75"), pure=0.6, compiled=0.6),),
    ),
    Case(
        name="start",
        title="start to first answer, one application",
        metric=START,
        load=FirstAnswer(),
        exchange=HELLO,
        ours=penstock(ASGI),
        rivals=(Rival(recipe=uvicorn(ASGI), pure=1.0, compiled=1.0),),
        rounds=9,
    ),
    *SOCKET_CASES,
)
