"""The narrow waist: every host's request has the members that the pipeline knows."""

import inspect

import pytest

from penstock.hosts.http1_request import Http1Request
from penstock.hosts.memory_host import MemoryRequest
from penstock.intake.worker_request import Capability, WorkerRequest

METHODS = [name for name, _ in inspect.getmembers(WorkerRequest, inspect.isfunction) if not name.startswith("_")]
PROPERTIES = [name for name, _ in inspect.getmembers(WorkerRequest, lambda member: isinstance(member, property))]
FIELDS = list(inspect.get_annotations(WorkerRequest))


@pytest.mark.parametrize("host", [Http1Request, MemoryRequest])
class TestWaist:
    @pytest.mark.parametrize("name", METHODS)
    def test_methods_take_what_the_contract_says(self, host: type, name: str) -> None:
        wanted = list(inspect.signature(getattr(WorkerRequest, name)).parameters)
        assert list(inspect.signature(getattr(host, name)).parameters) == wanted

    @pytest.mark.parametrize("name", METHODS)
    def test_what_is_awaited_is_async_and_nothing_else(self, host: type, name: str) -> None:
        wanted = inspect.iscoroutinefunction(getattr(WorkerRequest, name))
        assert inspect.iscoroutinefunction(getattr(host, name)) is wanted

    @pytest.mark.parametrize("name", [*PROPERTIES, *FIELDS])
    def test_members_are_there(self, host: type, name: str) -> None:
        assert hasattr(host, name) or name in getattr(host, "__slots__", ())


class TestCapability:
    def test_they_can_be_combined_and_asked_for(self) -> None:
        both = Capability.SEND_FILE | Capability.TRAILERS
        assert Capability.TRAILERS in both
        assert Capability.UPGRADE not in both
        assert not Capability.NONE
