"""This file is the test of what the control socket tells: it is JSON that comes back the same, and has few surprises."""

import msgspec
import pytest

from penstock.supervisor.control_model import Changes, PoolStatus, RequestStatus, ServerStatus, Unknown, WorkerStatus
from tests.supervisor.control_subject import Subject, worker


def test_a_status_survives_the_way_through_json() -> None:
    status = Subject().status()
    assert msgspec.json.decode(msgspec.json.encode(status), type=ServerStatus) == status


@pytest.mark.parametrize("kind", [ServerStatus, PoolStatus, WorkerStatus, RequestStatus, Changes])
def test_every_number_says_what_it_counts(kind: type[msgspec.Struct]) -> None:
    fields = msgspec.json.schema(kind)["$defs"][kind.__name__]["properties"]
    plain = {"name", "pool", "pid", "pools", "workers", "started", "uptime", "state", "start", "worker"}
    plain |= {"method", "path", "client", "stage", "trace_id", "generation", "changes"}
    assert [name for name, field in fields.items() if "description" not in field and name not in plain] == []


def test_nobody_changes_what_was_told() -> None:
    with pytest.raises(AttributeError):
        setattr(worker(1), "pid", 2)  # noqa: B010  # mypy would not let it pass


def test_who_is_unknown_is_named() -> None:
    unknown = Unknown("pool", "report", ("default", "reports"))
    assert (str(unknown), unknown.known) == ("there is no pool report", ("default", "reports"))
