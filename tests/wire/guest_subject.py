"""This file is what guests serve in these tests, as text: it is imported by the processes of foreign servers."""

APPLICATION = '''
import asyncio

from penstock import AcceptLost, AcceptOptions, Stage, WebSocketDisconnect

events = []


def hello(name: str) -> str:
    return f"Hello, {name}!"


async def stream(context):
    for number in range(5):
        context.response.write(b"%d\\n" % number)
        await context.response.flush()


async def cut(context):
    context.response.write(b"half")
    await context.response.flush()
    raise RuntimeError("meant to fail")


async def endless(context):
    try:
        while True:
            context.response.write(b"x" * 1000)
            await context.response.flush()
            await asyncio.sleep(0.001)
    finally:
        events.append("endless ended")


async def waits(context):
    events.append("waiting")
    await context.disconnected
    events.append("noticed")


async def dated(scope, receive, send):
    if scope["type"] != "http":
        raise ValueError("no lifespan")
    fields = [(b"date", b"Mon, 01 Jan 2001 00:00:00 GMT"), (b"server", b"a backend")]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": b"hello"})


def peer(context) -> list[str]:
    return [context.request.client[0], context.request.scheme]


async def size(context) -> dict[str, int]:
    return {"size": len(await context.request.body())}


def told() -> list[str]:
    return events


async def slow() -> str:
    print("slow began", flush=True)
    await asyncio.sleep(0.3)
    return "slow"


def fails() -> str:
    raise RuntimeError("meant to fail")


async def echo(websocket):
    async for message in websocket:
        await websocket.send(message)
    events.append("echo ended")


async def close_with_4001(websocket):
    await websocket.receive()
    await websocket.close(4001, "enough")


async def fail(websocket):
    await websocket.receive()
    raise ValueError("meant to fail")


async def in_fragments(websocket):
    message = (await websocket.receive()).encode()
    for byte in message[:-1]:
        await websocket.send_fragment(bytes([byte]), 1, False)
    await websocket.send_fragment(message[-1:], 1, True)
    await websocket.receive()


async def reader(websocket):
    try:
        while True:
            await websocket.receive()
    except WebSocketDisconnect as error:
        events.append(f"closed {error.code}")


def later(context):
    offered = context.websockets.requested_protocols or ()
    options = AcceptOptions("chat.v2" if "chat.v2" in offered else None, headers={"x-style": "later"})
    context.accept_websocket(echo, options)


async def inline(context):
    offered = context.websockets.requested_protocols or ()
    options = AcceptOptions("chat.v2" if "chat.v2" in offered else None, headers={"x-style": "inline"})
    try:
        websocket = await context.websockets.accept(options)
    except AcceptLost:
        events.append("accept lost")
        raise
    await echo(websocket)


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            kind = (await receive())["type"]
            await send({"type": f"{kind}.complete"})
            if kind == "lifespan.shutdown":
                events.append("stopped")
                print("the application was told to stop", flush=True)
                return
    if scope["type"] == "http":
        body = "|".join([scope["root_path"], scope["path"], scope["scheme"], scope["http_version"]]).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-app", b"1")]})
        await send({"type": "http.response.body", "body": body})
        return
    await receive()
    chosen = "chat.v2" if "chat.v2" in scope["subprotocols"] else None
    await send({"type": "websocket.accept", "subprotocol": chosen, "headers": [(b"x-style", b"asgi")]})
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})


async def owin(environment):
    offered = environment["owin.RequestHeaders"].get("Sec-WebSocket-Protocol", [""])
    options = {"websocket.SubProtocol": "chat.v2"} if "chat.v2" in offered[0] else None
    environment["owin.ResponseHeaders"]["X-Style"] = ["owin"]
    environment["websocket.Accept"](options, owin_echo)


async def owin_echo(socket):
    buffer = bytearray(100_000)
    cancelled = socket["websocket.CallCancelled"]
    while True:
        kind, is_end, count = await socket["websocket.ReceiveAsync"](buffer, cancelled)
        if kind == 8:
            break
        await socket["websocket.SendAsync"](bytes(buffer[:count]), kind, is_end, cancelled)
    await socket["websocket.CloseAsync"](1000, "", cancelled)


class Veto:
    """Answers some handshakes otherwise, when they have been accepted."""

    def attach(self, hooks):
        hooks.on(Stage.END, self.end)

    def end(self, context):
        if context.request.query.get("veto"):
            context.response.clear()
            context.response.status_code = 409
            context.response.headers["x-veto"] = "yes"
            context.response.write(b"not today")
'''

SITE = """
[server]
app_dirs = ["."]

[server.log]
access_format = "combined"

[[site]]

[[site.module]]
use = "subject:Veto"

[[site.route]]
at = "/hello/{name}"
function = "subject:hello"

[[site.route]]
at = "/stream"
function = "subject:stream"

[[site.route]]
at = "/cut"
function = "subject:cut"

[[site.route]]
at = "/endless"
function = "subject:endless"

[[site.route]]
at = "/waits"
function = "subject:waits"

[[site.route]]
at = "/size"
function = "subject:size"
methods = ["POST"]

[[site.route]]
at = "/told"
function = "subject:told"

[[site.route]]
at = "/slow"
function = "subject:slow"

[[site.route]]
at = "/fails"
function = "subject:fails"

[[site.route]]
at = "/later"
function = "subject:later"

[[site.route]]
at = "/inline"
function = "subject:inline"

[[site.route]]
at = "/close"
websocket = "subject:close_with_4001"

[[site.route]]
at = "/fail"
websocket = "subject:fail"

[[site.route]]
at = "/fragments"
websocket = "subject:in_fragments"

[[site.route]]
at = "/reader"
websocket = "subject:reader"

[[site.route]]
at = "/peer"
function = "subject:peer"

[[site.app]]
at = "/dated"
asgi = "subject:dated"

[[site.app]]
at = "/asgi"
asgi = "subject:asgi"

[[site.app]]
at = "/owin"
owin = "subject:owin"

[[site.location]]
at = "/size"
limits = { body = 100000 }
"""
