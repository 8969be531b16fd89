"""This file is what the tests of hosts share: one recording of each host in a run."""

import pytest

from tests.hosting.recordings import Recordings


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Recordings:
    return Recordings(tmp_path_factory.mktemp("hosting"))
