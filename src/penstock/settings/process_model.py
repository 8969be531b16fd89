"""How worker processes are drained, recycled, probed and controlled, as frozen models: the same tables for every pool."""

from __future__ import annotations  # types are built when a file is loaded, not when the server starts

from typing import Annotated

from msgspec import Meta, Struct

from penstock.settings.forms import CLOCK, FILE_MODE, HEALTH_PATH, PROBE_PATH

_Seconds = Annotated[float, Meta(ge=0, le=86_400)]


class DrainSettings(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """[server.drain], or drain = { ... } of a pool: how long the steps of stopping take, one after the other."""

    # between two requests of a busy client there is less
    idle: Annotated[
        _Seconds,
        Meta(
            description="Seconds of silence after which a kept-alive connection is closed when its worker is replaced."
        ),
    ] = 2.0
    # as long as ASP.NET gives a request that was timed out to end by itself
    cancel: Annotated[
        _Seconds,
        Meta(description="Seconds that requests which outlast graceful_timeout, and were cancelled, may take to end."),
    ] = 5.0
    # systemd and container engines kill after a while, too; this is ours, so that it is in the log
    kill: Annotated[_Seconds, Meta(description="Seconds after that until the process is killed, whatever it does.")] = (
        5.0
    )


class HealthPathSettings(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """[server.health]: paths that tell who watches the server how it is; answered on every host, before the queue."""

    # none: a path that is not asked for belongs to the site
    live: Annotated[
        str,
        PROBE_PATH,
        Meta(description="Path answered with 200 while the server runs; empty is none.", examples=["/live"]),
    ] = ""
    ready: Annotated[
        str,
        PROBE_PATH,
        Meta(
            description="Path answered with 200 from the start of all applications until the server stops, else with 503; empty is none.",
            examples=["/ready"],
        ),
    ] = ""


class ControlSettings(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """[server.control]: the Unix socket that `penstock status`, `recycle`, `reload` and the other commands speak to."""

    # gunicorn --control-socket: one below the runtime folder
    socket: Annotated[
        str,
        Meta(
            description="Path of the socket; empty is one in the runtime folder, named after the site file.",
            examples=["control.sock"],
        ),
    ] = ""
    # gunicorn --control-socket-mode 0600
    mode: Annotated[
        str,
        FILE_MODE,
        Meta(description="Who may connect, as of a file: 0600 is this user, 0660 this group as well."),
    ] = "0600"


class RecycleSettings(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """[server.recycle], or recycle = { ... } of a pool: when a worker is replaced, and what a new one must do first."""

    # IIS periodicRestart requests, gunicorn max_requests: never
    requests: Annotated[
        int, Meta(ge=0, description="A worker is replaced after so many requests; 0 is never.", examples=[10_000])
    ] = 0
    # gunicorn max_requests_jitter 0
    jitter: Annotated[
        int,
        Meta(ge=0, description="Up to so many requests more, by chance for each worker, so that not all go at once."),
    ] = 0
    # IIS periodicRestart time is 29 hours; a process that leaks nothing needs none
    age: Annotated[
        float, Meta(ge=0, le=31_536_000, description="A worker is replaced after so many seconds; 0 is never.")
    ] = 0.0
    # IIS periodicRestart schedule: none
    schedule: Annotated[
        tuple[Annotated[str, CLOCK], ...],
        Meta(description="Times of the day, by the local clock, at which workers are replaced.", examples=[["03:30"]]),
    ] = ()
    # IIS periodicRestart privateMemory: none
    memory: Annotated[
        int,
        Meta(
            ge=0,
            description="A worker that holds so many bytes of resident memory is replaced; 0 is never.",
            examples=[500_000_000],
        ),
    ] = 0
    # gunicorn timeout 30 s, IIS pingingEnabled 90 s (pipeline W-04)
    stuck: Annotated[
        _Seconds,
        Meta(
            description="Seconds without a turn of its event loop after which a worker is replaced and killed; 0 is never."
        ),
    ] = 30.0
    # IIS applicationInitialization: none (pipeline W-08)
    preload: Annotated[
        tuple[Annotated[str, HEALTH_PATH, Meta(min_length=1)], ...],
        Meta(
            description="Paths that a new worker must answer with 200 to 399 before it gets requests.",
            examples=[["/", "/api/warm-up"]],
        ),
    ] = ()
    # IIS startupTimeLimit 90 s, uvicorn none; one minute is what a large Django project needs many times over
    start_timeout: Annotated[
        float, Meta(gt=0, le=86_400, description="Seconds that a new worker may take until it is ready.")
    ] = 60.0
    # none replaces two at the same moment
    stagger: Annotated[
        float, Meta(ge=0, le=3600, description="Seconds between two workers that are replaced for one reason.")
    ] = 1.0
    # IIS rapidFailProtection: 5 failures in 5 minutes (pipeline W-05)
    failures: Annotated[
        int,
        Meta(
            ge=1,
            le=1000,
            description="So many crashes and failed starts `within` some seconds turn the pool off: its answer is 503.",
        ),
    ] = 5
    within: Annotated[float, Meta(gt=0, le=86_400, description="The seconds in which they are counted.")] = 300.0
    # IIS leaves it off for good; one worker tries again (pipeline W-05)
    back_off: Annotated[
        float,
        Meta(
            gt=0,
            le=300,
            description="Seconds until a pool that is off is tried again; doubled after every failure, up to 300.",
        ),
    ] = 5.0
    # IIS orphanWorkerProcess: off (pipeline W-06)
    orphan: Annotated[
        str,
        Meta(
            description="Program that is run, with the process id behind it, in place of killing a stuck worker; empty is none.",
            examples=["./inspect-worker"],
        ),
    ] = ""
