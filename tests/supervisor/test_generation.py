"""What settings mean for each pool."""

import msgspec
import pytest

from penstock.settings import DrainSettings, PoolSettings, RecycleSettings, ServerSettings, Settings
from penstock.supervisor.generation import DEFAULT, Generation, worker_count
from penstock.supervisor.processors import count_processors


def test_workers_read_the_settings_that_were_checked() -> None:
    settings = Settings(server=ServerSettings(workers=3), pools=(PoolSettings(name="reports"),))
    generation = Generation(7, settings)
    assert msgspec.json.decode(generation.encoded, type=Settings) == settings
    assert generation.number == 7
    assert generation.pools == ("reports", DEFAULT)


def test_terms_of_the_default_pool_are_those_of_the_server() -> None:
    server = ServerSettings(workers=3, graceful_timeout=4, drain=DrainSettings(cancel=2, kill=1), max_requests=50)
    terms = Generation(1, Settings(server=server)).terms(DEFAULT)
    assert (terms.workers, terms.patience, terms.recycle.requests, terms.is_on_demand) == (3, 7, 50, False)


def test_terms_of_a_pool_are_its_own() -> None:
    pool = PoolSettings(name="reports", workers=2, idle=9, recycle=RecycleSettings(requests=5))
    generation = Generation(1, Settings(server=ServerSettings(max_requests=50), pools=(pool,)))
    terms = generation.terms("reports")
    assert (terms.workers, terms.recycle.requests, terms.is_on_demand, terms.idle) == (2, 5, True, 9)
    with pytest.raises(KeyError):
        generation.terms("report")


def test_auto_is_one_worker_for_each_processor() -> None:
    assert worker_count(Settings(server=ServerSettings(workers="auto"))) == count_processors()
    assert worker_count(Settings()) == 1
