"""What the tests of traces ask: the record of one request that has failed, as it stands in a file."""

from typing import Any

ONE, TWO = "4bf92f3577b34da6a3ce929d0e0e4736", "a0f92f3577b34da6a3ce929d0e0e4736"
HANDLER = {"stage": "EXECUTE", "is_post": False, "module": "function shop:pay", "hook": "pay"}


def step(stage: str, module: str, seconds: float, **more: Any) -> dict[str, Any]:
    return {"stage": stage, "is_post": False, "module": module, "hook": "", "at": 0.0, "seconds": seconds, **more}


def record(**changes: Any) -> dict[str, Any]:
    return {
        "version": 1,
        "trace_id": ONE,
        "time": "2026-11-20T16:04:12.123456+00:00",
        "error_id": "0c88b3b1a2f0",
        "outcome": "failed",
        "outcomes": ["failed", "slow"],
        "rule": {"at": "/", "status": ["500-599"], "slower_than": 1.0},
        "method": "GET",
        "host": "example.org",
        "path": "/pay",
        "led_to": "",
        "redispatches": [],
        "query": ["page", "token"],
        "http": "1.1",
        "client": "127.0.0.1",
        "headers": [["host", "example.org"], ["authorization", "[redacted]"]],
        "target": "function shop:pay",
        "status": 500,
        "status_set_by": HANDLER,
        "failed_at": HANDLER,
        "is_cut": False,
        "bytes_sent": 12,
        "response_headers": [["content-type", "text/plain"]],
        "seconds": 1.25,
        "waited": 0.0,
        "steps": [
            step("BEGIN", "Gate", 0.0005, hook="begin"),
            {**step("AUTHORIZE", "Gate", 0.25, how="awaited"), "is_post": True},
            step("EXECUTE", "function shop:pay", 0.999, how="parked", error=0, hook="pay"),
            step("END", "", 0.0001, hook="detour", status=500),
            step("END", "", 0.0001, hook="leave"),
        ],
        "steps_left_out": 0,
        "seconds_left_out": 0.0,
        "errors": [
            {
                "type": "ValueError",
                "message": "no money",
                "traceback": 'Traceback:\n  File "loop.py", line 3, in advance\n    x\n  File "shop.py", line 12, in pay\n    y\n'
                "ValueError: no money\n",
            }
        ],
        "errors_left_out": 0,
        **changes,
    }
