"""This file is the test of what must hold between pools, applications, and the keys of workers."""

from typing import Any

import pytest

from penstock.settings.pool_rules import PoolRules
from penstock.settings.positions import KeyPath


def judge(tree: dict[str, Any], *, refused: tuple[KeyPath, ...] = ()) -> list[tuple[KeyPath, str]]:
    problems: list[tuple[KeyPath, str]] = []
    rules = PoolRules(
        lambda path, message: problems.append((path, message)),
        lambda path: "/".join(str(part) for part in path),
        refused=refused,
    )
    rules.judge(tree)
    return problems


def told_of(tree: dict[str, Any]) -> tuple[str, str]:
    ((path, message),) = judge(tree)
    return ".".join(str(part) for part in path), message


def with_pool(**keys: object) -> dict[str, Any]:
    return {"pool": [{"name": "a", **keys}], "site": [{"app": [{"at": "/", "asgi": "a:b", "pool": "a"}]}]}


class TestUses:
    def test_good(self) -> None:
        assert judge(with_pool()) == []
        assert judge({"site": [{"app": [{"at": "/", "pool": ""}]}]}) == []

    def test_a_pool_that_does_not_exist(self) -> None:
        tree = with_pool(name="reports")
        tree["site"][0]["app"].append({"at": "/r", "pool": "report"})
        tree["site"][0]["app"][0]["pool"] = "reports"
        assert told_of(tree) == ("site.0.app.1.pool", 'pool: there is no [[pool]] "report"; did you mean "reports"?')

    def test_no_pool_at_all(self) -> None:
        tree = {"site": [{"app": [{"at": "/", "pool": "reports"}]}]}
        told = 'pool: there is no [[pool]] "reports": write one with name = "reports", or leave pool out'
        assert told_of(tree) == ("site.0.app.0.pool", told)

    def test_the_default_one_is_not_named(self) -> None:
        path, message = told_of({"site": [{"app": [{"at": "/", "pool": "default"}]}]})
        assert path == "site.0.app.0.pool"
        assert message.endswith("names none: leave pool out")

    def test_a_pool_nobody_uses(self) -> None:
        path, message = told_of({"pool": [{"name": "a"}], "site": [{"app": [{"at": "/"}]}]})
        assert path == "pool.0"
        assert message.startswith('no [[site.app]] runs in the pool "a": write pool = "a" there')

    def test_what_was_refused_is_not_missing(self) -> None:
        tree = {"pool": [{"name": "a"}], "site": [{"app": [{"at": "/"}]}]}
        assert judge(tree, refused=(("site", 0, "app", 0, "pool"),)) == []
        tree = {"pool": [{}], "site": [{"app": [{"at": "/", "pool": "a"}]}]}
        assert judge(tree, refused=(("pool", 0, "name"),)) == []

    def test_two_of_one_name(self) -> None:
        tree = with_pool()
        tree["pool"].append({"name": "a"})
        assert told_of(tree) == ("pool.1.name", 'the name "a" belongs to another [[pool]], at pool/0/name')


class TestPools:
    @pytest.mark.parametrize(
        "keys",
        [
            {"start": "always"},
            {"start": "always", "idle": 0},
            {"start": "on_demand", "idle": 5},
            {"idle": 0},
            {"memory": 0, "open_files": 0},
            {"memory": 64_000_000, "open_files": 64},
            {"recycle": {"requests": 5, "jitter": 5, "memory": 32_000_000}},
            {"user": "0", "group": "0"},
        ],
    )
    def test_good(self, keys: dict[str, object]) -> None:
        assert judge(with_pool(**keys)) == []

    @pytest.mark.parametrize(
        ("keys", "place", "told"),
        [
            ({"start": "always", "idle": 5}, "idle", "idle stops the workers of a pool that starts on demand"),
            ({"memory": 1_000_000}, "memory", "memory: 1000000 is too little address space for Python to start in"),
            ({"open_files": 3}, "open_files", "open_files: 3 is too few open files for a worker to start with"),
            ({"user": "no-such-user-here"}, "user", 'user: "no-such-user-here" is no user of this machine'),
            ({"user": "4000000000"}, "user", 'user: "4000000000" is no user of this machine'),
            ({"group": "no-such-group"}, "group", 'group: "no-such-group" is no group of this machine'),
            ({"recycle": {"jitter": 5}}, "recycle.jitter", "jitter is added to requests, and there is none"),
            ({"recycle": {"memory": 5}}, "recycle.memory", "memory: a new worker holds more than 5 bytes"),
            ({"recycle": {"preload": ["/a", "/a"]}}, "recycle.preload.1", 'preload has "/a" twice'),
            ({"recycle": {"schedule": ["03:00", "03:00"]}}, "recycle.schedule.1", 'schedule has "03:00" twice'),
        ],
    )
    def test_bad(self, keys: dict[str, object], place: str, told: str) -> None:
        path, message = told_of(with_pool(**keys))
        assert path == f"pool.0.{place}"
        assert message.startswith(told)


class TestServer:
    def test_one_name_for_the_number_of_requests(self) -> None:
        path, message = told_of({"server": {"max_requests": 5, "recycle": {"requests": 5}}})
        assert path == "server.max_requests"
        assert message.endswith("at server/recycle/requests: leave one of them out")
        assert judge({"server": {"max_requests": 5, "recycle": {"requests": 0, "jitter": 5}}}) == []

    def test_probes_have_two_paths(self) -> None:
        path, message = told_of({"server": {"health": {"live": "/up", "ready": "/up"}}})
        assert path == "server.health.ready"
        assert message.endswith("take two paths")

    @pytest.mark.parametrize("kind", ["route", "app", "proxy"])
    def test_nothing_else_answers_probes(self, kind: str) -> None:
        tree = {"server": {"health": {"ready": "/up"}}, "site": [{}, {kind: [{"at": "/"}, {"at": "/up"}]}]}
        told = f'ready: "/up" has a [[site.{kind}]], at site/1/{kind}/1/at: only one can answer'
        assert told_of(tree) == ("server.health.ready", told)

    def test_memory_that_every_worker_has(self) -> None:
        path, message = told_of({"server": {"recycle": {"memory": 1000}}})
        assert path == "server.recycle.memory"
        assert message.endswith("write 32_000_000 or more, or 0 for never")
