"""[[pool]] as a frozen model: worker processes of their own for the applications that name them."""

from __future__ import annotations  # types are built when a file is loaded, not when the server starts

from typing import Annotated, Literal

from msgspec import Meta, Struct

from penstock.settings.forms import POOL_NAME, VARIABLE_NAME
from penstock.settings.process_model import DrainSettings, RecycleSettings


class PoolSettings(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """[[pool]]: processes for applications that must not share one with the others; an application names it by `pool`."""

    name: Annotated[
        str,
        POOL_NAME,
        Meta(description='What it is called: small letters, digits, "_" and "-", 32 at most.', examples=["reports"]),
    ]
    # IIS maxProcesses 1
    workers: Annotated[int, Meta(ge=1, le=1024, description="Processes that share its requests.")] = 1
    # ours
    python: Annotated[
        str,
        Meta(
            description="Python of the virtual environment it runs in, with Penstock of the same minor version; empty is ours.",
            examples=["venv/bin/python"],
        ),
    ] = ""
    # IIS processModel userName; here nothing changes unless it is said
    user: Annotated[
        str,
        Meta(description="User it runs as, by name or number; needs a server that root has started."),
    ] = ""
    group: Annotated[
        str, Meta(description="Group it runs as, by name or number; empty is the first group of `user`.")
    ] = ""
    # the folder the server was started in
    directory: Annotated[
        str, Meta(description="Folder it works in; empty is that of the server.", examples=["reports"])
    ] = ""
    # that of the server
    environment: Annotated[
        dict[Annotated[str, VARIABLE_NAME], str],
        Meta(
            description="Variables on top of the environment of the server.",
            examples=[{"DJANGO_SETTINGS_MODULE": "reports.settings"}],
        ),
    ] = {}
    # uvicorn --app-dir: the current folder
    app_dirs: Annotated[
        tuple[str, ...],
        Meta(description="Folders that its Python can import from, in place of those of [server]."),
    ] = (".",)
    # what the application says
    threads: Annotated[
        int,
        Meta(ge=0, le=1024, description="Threads of its WSGI applications; 0 leaves them what their own key says."),
    ] = 0
    # IIS startMode OnDemand (pipeline W-01)
    start: Annotated[
        Literal["on_demand", "always"],
        Meta(description="Whether its workers start with the first request, or with the server."),
    ] = "on_demand"
    # IIS idleTimeout 20 minutes
    idle: Annotated[
        float,
        Meta(
            ge=0,
            le=31_536_000,
            description='Seconds without a request after which its workers stop; 0 is never. Only with start = "on_demand".',
        ),
    ] = 1200.0
    # gunicorn graceful_timeout 30 s, as of [server]
    graceful_timeout: Annotated[
        float, Meta(ge=0, le=86_400, description="Seconds that requests may take to end when a worker stops.")
    ] = 30.0
    # those of the server
    memory: Annotated[
        int,
        Meta(
            ge=0,
            description="Most bytes of address space of a worker (RLIMIT_AS); 0 is no limit.",
            examples=[2_000_000_000],
        ),
    ] = 0
    cpu_time: Annotated[
        int,
        Meta(ge=0, description="Most seconds of processor time of a worker (RLIMIT_CPU); 0 is no limit."),
    ] = 0
    nice: Annotated[
        int,
        Meta(ge=-20, le=19, description="What is added to the niceness of a worker; less than 0 needs root."),
    ] = 0
    open_files: Annotated[
        int,
        Meta(ge=0, description="Most open files and connections of a worker (RLIMIT_NOFILE); 0 is that of the server."),
    ] = 0
    # HAProxy and nginx leave it open; an interpreter is busy with fewer
    connections: Annotated[
        int,
        Meta(ge=1, le=100_000, description="Most connections to it from each worker of the default pool."),
    ] = 128
    # IIS application pool queueLength 1000
    queue: Annotated[
        int,
        Meta(ge=0, description="Most requests that wait for such a connection; beyond that the answer is 503."),
    ] = 1000
    # ASP.NET executionTimeout 110 s, as [server.limits] deadline
    read_timeout: Annotated[
        float,
        Meta(
            ge=0,
            le=86_400,
            description="Seconds it may keep silent within an answer, else 504; 0 waits without end.",
        ),
    ] = 110.0
    recycle: Annotated[
        RecycleSettings,
        Meta(description="When its workers are replaced, and what a new one must do first."),
    ] = RecycleSettings()
    drain: Annotated[
        DrainSettings,
        Meta(description="How long the steps of stopping a worker take."),
    ] = DrainSettings()
