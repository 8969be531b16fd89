"""A bare echo server on picows, without an application behind it: picows_echo.py port."""

import sys

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server


class Echo(WSListener):
    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()
        else:
            transport.send(frame.msg_type, frame.get_payload_as_memoryview())


def listener(request: WSUpgradeRequest) -> Echo:
    return Echo()


async def serve(port: int) -> None:
    server = await ws_create_server(listener, "127.0.0.1", port, backlog=2048)
    await server.serve_forever()


uvloop.run(serve(int(sys.argv[1])))
