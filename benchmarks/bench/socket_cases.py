"""The rows of WebSockets: echo, broadcast and idle ones."""

from benchmarks.bench.clients import IdleMemory
from benchmarks.bench.model import DELIVERIES, MESSAGES, PER_SOCKET, Case, Exchange, Recipe, Rival
from benchmarks.bench.plain_socket import BINARY, TEXT, binary_message, text_message
from benchmarks.bench.recipes import PICOWS, penstock, penstock_site, uvicorn_sockets
from benchmarks.bench.sockets import Sockets

ECHO, BROADCAST = "hello_asgi:echo_messages", "hello_asgi:broadcast"
NATIVE = penstock_site("echo_socket")
IMPLEMENTATIONS = ("websockets-sansio", "websockets", "wsproto")
SMALL, LARGE, SPOKEN = binary_message(32), binary_message(16_384), text_message(100)
ECHO_SMALL = Exchange(opcode=BINARY, body=SMALL, expected=SMALL)
ECHO_LARGE = Exchange(opcode=BINARY, body=LARGE, expected=LARGE)


def uvicorns(target: str, *, due: float, aim: float | None = None) -> tuple[Rival, ...]:
    """With each of its implementations; the best one counts."""
    return tuple(
        Rival(recipe=uvicorn_sockets(name, target), pure=due, compiled=due, aim=aim, family="uvicorn")
        for name in IMPLEMENTATIONS
    )


AGAINST_NATIVE = (
    *uvicorns(ECHO, due=1.4, aim=1.6),
    Rival(recipe=PICOWS, pure=0.6, compiled=0.6, aim=0.75),
)
AGAINST_ASGI = uvicorns(ECHO, due=1.2, aim=1.4)


def echo_case(name: str, title: str, *, ours: Recipe, exchange: Exchange, rivals: tuple[Rival, ...]) -> Case:
    return Case(
        name=f"websocket-{name}",
        title=f"WebSocket echo of {title}",
        metric=MESSAGES,
        load=Sockets(),
        exchange=exchange,
        ours=ours,
        rivals=rivals,
    )


def idle_case(name: str, title: str, *, ours: Recipe) -> Case:
    return Case(
        name=f"websocket-idle-{name}",
        title=f"resident memory of each of 8 000 idle WebSockets, {title}",
        metric=PER_SOCKET,
        load=IdleMemory(connections=8000),
        exchange=ECHO_SMALL,
        ours=ours,
        rivals=uvicorns(ECHO, due=0.5),
    )


SOCKET_CASES = (
    echo_case("native-32", "32 bytes, native endpoint", ours=NATIVE, exchange=ECHO_SMALL, rivals=AGAINST_NATIVE),
    echo_case("native-16k", "16 KiB, native endpoint", ours=NATIVE, exchange=ECHO_LARGE, rivals=AGAINST_NATIVE),
    echo_case("asgi-32", "32 bytes, ASGI", ours=penstock(ECHO), exchange=ECHO_SMALL, rivals=AGAINST_ASGI),
    echo_case("asgi-16k", "16 KiB, ASGI", ours=penstock(ECHO), exchange=ECHO_LARGE, rivals=AGAINST_ASGI),
    Case(
        name="websocket-broadcast",
        title="broadcasts of 100 bytes to 1 000 WebSockets, ASGI",
        metric=DELIVERIES,
        load=Sockets(client="broadcast.py", sockets=1000),
        exchange=Exchange(opcode=TEXT, body=SPOKEN, expected=SPOKEN),
        ours=penstock(BROADCAST),
        rivals=uvicorns(BROADCAST, due=1.5),
    ),
    idle_case("native", "native endpoint", ours=NATIVE),
    idle_case("asgi", "ASGI", ours=penstock(ECHO)),
)
