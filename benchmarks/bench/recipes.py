"""How every server is started: each peer in its best form on one core, ours as its users start it."""

from dataclasses import replace

from benchmarks.bench.model import Recipe

TLS = ("--ssl-certfile", "{work}/tls/cert.pem", "--ssl-keyfile", "{work}/tls/key.pem")
ADDRESS = ("--host", "127.0.0.1", "--port", "{port}")
# Without what costs time or memory and no case needs: forwarded headers, and WebSockets where there are none.
LEAN_UVICORN = ("--loop", "uvloop", "--http", "httptools", "--no-proxy-headers")
QUIET_UVICORN = ("--no-access-log", "--log-level", "warning")
LEAN_GRANIAN = ("--workers", "1", "--runtime-threads", "1", "--loop", "uvloop", "--http", "1", "--no-ws", "--no-log")

FLOOR = Recipe(name="floor", venv="peers", command=("{python}", "{work}/servers/floor.py", "{port}"))
PICOWS = Recipe(name="picows", venv="peers", command=("{python}", "{work}/servers/picows_echo.py", "{port}"))
NGINX = Recipe(name="nginx", venv="", command=("nginx", "-p", "{work}", "-c", "{conf}"), template="nginx.conf")


def penstock(target: str, *options: str) -> Recipe:
    return penstock_logging(target, "--no-access-log", *options)


def penstock_logging(target: str, *options: str) -> Recipe:
    command = ("{python}", "-m", "penstock", "serve", target, "--bind", "127.0.0.1:{port}", *options)
    return Recipe(name="penstock", venv="ours", command=command)


def penstock_site(name: str) -> Recipe:
    return penstock(f"{{work}}/sites/{name}.toml")


def without_modules(name: str) -> Recipe:
    """The same server with another site file, to compare ours with."""
    return replace(penstock_site(name), name="without modules")


def uvicorn(target: str, *options: str) -> Recipe:
    return uvicorn_logging(target, *QUIET_UVICORN, *options)


def uvicorn_logging(target: str, *options: str) -> Recipe:
    return uvicorn_with("none", target, *options)


def uvicorn_sockets(implementation: str, target: str) -> Recipe:
    recipe = uvicorn_with(implementation, target, *QUIET_UVICORN)
    return replace(recipe, name=f"uvicorn {implementation}")


def uvicorn_with(implementation: str, target: str, *options: str) -> Recipe:
    command = ("{python}", "-m", "uvicorn", target, *ADDRESS, *LEAN_UVICORN, "--ws", implementation, *options)
    return Recipe(name="uvicorn", venv="peers", command=command)


def granian(interface: str, target: str, *options: str) -> Recipe:
    command = ("{python}", "-m", "granian", "--interface", interface, target, *ADDRESS, *LEAN_GRANIAN, *options)
    return Recipe(name=f"granian {interface}", venv="peers", command=command)


def granian_wsgi(target: str) -> Recipe:
    return granian("wsgi", target, "--blocking-threads", "4")  # faster than one thread, even for an inline case


def gunicorn(target: str) -> Recipe:
    options = ("--worker-class", "gthread", "--workers", "1", "--threads", "4", "--keep-alive", "75")
    command = ("{python}", "-m", "gunicorn", target, "--bind", "127.0.0.1:{port}", "--log-level", "warning", *options)
    return Recipe(name="gunicorn gthread x4", venv="peers", command=command)


def fast_c(kind: str, target: str) -> Recipe:
    command = ("{python}", "{work}/servers/fast_c.py", kind, target, "{port}")
    return Recipe(name=kind, venv="peers", command=command)
