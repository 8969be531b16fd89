"""This file is what every host is asked: requests, and what the answer must be wherever the site is served."""

from dataclasses import dataclass

MIB = 1 << 20
BOUNDARY = "a-boundary"
MULTIPART = (
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="item"\r\n\r\nmillstone\r\n'
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="plan"; filename="plan.txt"\r\n'
    f"Content-Type: text/plain\r\n\r\n{'x' * 5000}\r\n--{BOUNDARY}--\r\n"
).encode()
_FORM = ("content-type", "application/x-www-form-urlencoded")
_JSON = ("content-type", "application/json")
_MULTIPART = ("content-type", f"multipart/form-data; boundary={BOUNDARY}")
_LARGE = b"0123456789abcdef" * (MIB // 16)
_FRIEND = ("origin", "https://friend.example")

Field = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request; `status` and `text`, which the body contains, are what must come back. `chunk`: the body is sent in such pieces."""

    method: str
    target: str
    status: int
    text: str = ""
    headers: tuple[Field, ...] = ()
    body: bytes = b""
    chunk: int = 0


EXCHANGES: dict[str, Exchange] = {
    # A plain function, on the loop and in a thread.
    "function": Exchange("GET", "/hello/%C3%BC", 200, "Hello, ü!"),
    "function in a thread": Exchange("GET", "/threads/ada", 200, "Hello, ada!"),
    "function HEAD": Exchange("HEAD", "/hello/ada", 200),
    "function 404": Exchange("GET", "/hello/nobody", 404, "404 Not Found"),
    "function 404 as JSON": Exchange("GET", "/hello/nobody", 404, '"', (("accept", "application/json"),)),
    "function 405": Exchange("DELETE", "/hello/ada", 405, "405"),
    "function OPTIONS": Exchange("OPTIONS", "/hello/ada", 204),
    "function 500": Exchange("GET", "/fails", 500, "error id"),
    "function 303": Exchange("GET", "/moved", 303),
    "function 204": Exchange("GET", "/nothing", 204),
    "function DELETE": Exchange("DELETE", "/nothing", 204),
    "function cookies": Exchange("GET", "/cookies", 200, '{"a":"1","b":"2"}', (("cookie", "a=1; b=2"),)),
    "function stream": Exchange("GET", "/stream", 200, "0\n1\n2\n3\n4\n"),
    "function form": Exchange(
        "POST", "/form", 200, '"colours":["red","blue"]', (_FORM,), b"name=x&colour=red&colour=blue"
    ),
    "function form of a wrong type": Exchange("POST", "/form", 415, "415", (_JSON,), b"{}"),
    "upload of 1 MB": Exchange("POST", "/upload", 200, f'"size":{MIB}', (), _LARGE),
    "upload of 1 MB in chunks": Exchange("PUT", "/upload", 200, f'"size":{MIB}', (), _LARGE, chunk=50_000),
    "nothing there": Exchange("GET", "/absent?a=1", 404, "404 Not Found"),
    "a socket asked as a page": Exchange("GET", "/echo", 400, "WebSocket"),
    # Files.
    "file": Exchange("GET", "/words.txt", 200, "line 0299"),
    "file HEAD": Exchange("HEAD", "/words.txt", 200),
    "file as the index": Exchange("GET", "/", 200, "<h1>A file</h1>"),
    "file of 1 MB": Exchange("GET", "/large.bin", 200, "0123456789abcdef"),
    "file range": Exchange("GET", "/words.txt", 206, "line 0001\n", (("range", "bytes=10-19"),)),
    "file range at the end": Exchange("GET", "/large.bin", 206, "abcdef", (("range", "bytes=-6"),)),
    "file ranges": Exchange("GET", "/words.txt", 206, "line 0001\n", (("range", "bytes=10-19,50-59"),)),
    "file 416": Exchange("GET", "/words.txt", 416, "", (("range", "bytes=999999-"),)),
    "file 304": Exchange("GET", "/words.txt", 304, "", (("if-modified-since", "Fri, 01 Jan 2100 00:00:00 GMT"),)),
    "file 304 by tag": Exchange("GET", "/words.txt", 304, "", (("if-none-match", "*"),)),
    "file 412": Exchange("GET", "/words.txt", 412, "", (("if-match", '"other"'),)),
    "file POST": Exchange("POST", "/words.txt", 405, "405", (), b"x"),
    # Django, Flask, FastAPI.
    "Django": Exchange("GET", "/shop/?a=%20b", 200, "<h1>Shop at /shop/?a=%20b</h1>"),
    "Django HEAD": Exchange("HEAD", "/shop/", 200),
    "Django slash": Exchange("GET", "/shop/order", 301),
    "Django upload": Exchange("POST", "/shop/order/", 200, '"plan": 5000', (_MULTIPART,), MULTIPART),
    "Django redirect": Exchange("GET", "/shop/leave/", 302),
    "Django stream": Exchange("GET", "/shop/count/", 200, "0\n1\n2\n3\n4\n"),
    "Django file": Exchange("GET", "/shop/download/", 200, "Django application"),
    "Django 404": Exchange("GET", "/shop/absent/", 404, "Not Found"),
    "Django 500": Exchange("GET", "/shop/fail/", 500, "Server Error"),
    "Flask": Exchange("GET", "/power/", 200, "Power at /power/"),
    "Flask JSON": Exchange("POST", "/power/sum", 200, '{"sum":6}', (_JSON,), b'{"numbers": [1, 2, 3]}'),
    "Flask JSON in chunks": Exchange(
        "POST", "/power/sum", 200, '{"sum":6}', (_JSON,), b'{"numbers": [1, 2, 3]}', chunk=5
    ),
    "Flask cookies": Exchange("GET", "/power/cookies", 200, '{"c":"3"}', (("cookie", "c=3"),)),
    "Flask stream": Exchange("GET", "/power/count", 200, "0\n1\n2\n3\n4\n"),
    "Flask redirect": Exchange("GET", "/power/leave", 302, "/power/"),
    "Flask 404": Exchange("GET", "/power/missing", 404, "Not Found"),
    "Flask 500": Exchange("GET", "/power/fail", 500, "Internal Server Error"),
    "FastAPI": Exchange("GET", "/api/mills/7", 200, '"mill 7"'),
    "FastAPI PUT": Exchange("PUT", "/api/mills/7", 200, '"wheels":2', (_JSON,), b'{"name": "Rietmolen", "wheels": 2}'),
    "FastAPI 422": Exchange("PUT", "/api/mills/7", 422, "name", (_JSON,), b"{}"),
    "FastAPI form": Exchange("POST", "/api/form", 200, '{"name":["ada"]}', (_FORM,), b"name=ada"),
    "FastAPI 405": Exchange("POST", "/api/mills/7", 405, "Method Not Allowed"),
    "FastAPI stream": Exchange("GET", "/api/count", 200, "0\n1\n2\n3\n4\n"),
    "FastAPI redirect": Exchange("GET", "/api/leave", 307),
    "FastAPI 404": Exchange("GET", "/api/absent", 404, "Not Found"),
    "FastAPI 500": Exchange("GET", "/api/fail", 500, "500"),
    # Middleware in stages: CORS around everything, compression in front of one application.
    "CORS": Exchange("GET", "/hello/ada", 200, "Hello", (_FRIEND,)),
    "CORS of a file": Exchange("GET", "/words.txt", 200, "line 0299", (_FRIEND,)),
    "CORS of WSGI": Exchange("GET", "/power/", 200, "Power", (_FRIEND,)),
    "CORS preflight": Exchange(
        "OPTIONS", "/api/mills/7", 200, "OK", (_FRIEND, ("access-control-request-method", "PUT"))
    ),
    "CORS preflight refused": Exchange(
        "OPTIONS",
        "/api/mills/7",
        400,
        "Disallowed",
        (("origin", "https://foe.example"), ("access-control-request-method", "PUT")),
    ),
    "compressed": Exchange("GET", "/api/long", 200, "", (("accept-encoding", "gzip"),)),
    "not compressed": Exchange("GET", "/api/long", 200, "water and wood"),
}
