"""The nearest right name for a wrong one, for "did you mean" in error messages."""

from collections.abc import Iterable

# What users of other servers call a key that is named differently here.
SYNONYMS = {
    "bind": "listen",
    "host": "listen",
    "port": "listen",
    "address": "listen",
    "uds": "listen",
    "host_names": "hosts",
    "server_name": "hosts",
    "pythonpath": "app_dirs",
    "app_dir": "app_dirs",
    "limit_concurrency": "requests_inside",
    "limit_max_requests": "max_requests",
    "timeout_keep_alive": "keep_alive",
    "timeout_graceful_shutdown": "graceful_timeout",
    "client_max_body_size": "body",
    "forwarded_allow_ips": "trusted",
    "ssl": "tls",
    "ssl_certfile": "certificate",
    "ssl_keyfile": "key",
    "certfile": "certificate",
    "keyfile": "key",
    "path": "at",
    "prefix": "at",
    "url": "at",
    "mount": "at",
    "view": "function",
    "endpoint": "function",
    "code": "status",
    "timeout": "deadline",
    "request_timeout": "deadline",
    "static": "root",
    "static_folder": "root",
    "index": "default_documents",
    "class": "use",
    "options": "settings",
    "debug": "mode",
    "allow_origins": "origins",
    "allowed_origins": "origins",
    "require_same_origin": "same_origin",
    "deflate": "compression",
    "permessage_deflate": "compression",
    "per_message_deflate": "compression",
    "max_size": "max_message",
    "ping_interval": "keep_alive",
    "ping_timeout": "keep_alive_timeout",
    "ws": "websocket",
    "protocols": "subprotocols",
    "max_connections": "sockets",
    "limit_sockets": "sockets",
    "processes": "workers",
    "max_processes": "workers",
    "web_concurrency": "workers",
    "pid": "pid_file",
    "pidfile": "pid_file",
    "max_requests_jitter": "jitter",
    "limit_max_requests_jitter": "jitter",
    "preload_urls": "preload",
    "executable": "python",
    "virtualenv": "python",
    "venv": "python",
    "chdir": "directory",
    "cwd": "directory",
    "working_directory": "directory",
    "env": "environment",
    "rlimit_as": "memory",
    "rlimit_nofile": "open_files",
    "rlimit_cpu": "cpu_time",
    "uid": "user",
    "gid": "group",
    "idle_timeout": "idle",
    "liveness": "live",
    "readiness": "ready",
}


def find_nearest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate that `name` was probably meant to be, or None where nothing is near."""
    from difflib import get_close_matches  # imported when used: it costs start-up time

    known = list(candidates)
    simple = name.lower().replace("-", "_").strip()
    if SYNONYMS.get(simple) in known:
        return SYNONYMS[simple]
    by_simple_form = {candidate.lower().replace("-", "_"): candidate for candidate in known}
    near = get_close_matches(simple, by_simple_form, n=1, cutoff=0.6)
    if not near and len(simple) >= 3:
        near = [form for form in by_simple_form if form.startswith(simple)]  # "prod" for "production"
    return by_simple_form[near[0]] if near else None


def suggest(name: str, candidates: Iterable[str]) -> str:
    """The end of a sentence: `; did you mean "x"?`, or nothing."""
    nearest = find_nearest(name, candidates)
    return f'; did you mean "{nearest}"?' if nearest is not None else ""


def join_choices(choices: Iterable[str]) -> str:
    """`"a"`, `"a" or "b"`, `"a", "b" or "c"`."""
    *front, last = [f'"{choice}"' for choice in choices]
    return f"{', '.join(front)} or {last}" if front else last
