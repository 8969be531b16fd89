"""A generator as (context, next)."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from penstock import ContractError
from penstock.pipeline_gateways.staged_around import Generating
from tests.pipeline.subject import run


def called(function: Any, *, fails: bool = False) -> list[str]:
    log: list[str] = []

    async def following() -> None:
        log.append("rest")
        if fails:
            raise ValueError("x")

    run(lambda: Generating(function, "generator")(log, following))
    return log


def test_its_one_yield_is_the_rest() -> None:
    async def generator(log: list[str]) -> AsyncIterator[None]:
        log.append("before")
        yield
        log.append("behind")

    assert called(generator) == ["before", "rest", "behind"]


def test_without_a_yield_there_is_no_rest() -> None:
    async def generator(log: list[str]) -> AsyncIterator[None]:
        if log:
            yield

    assert called(generator) == []


def test_errors_are_thrown_in_and_may_pass() -> None:
    async def generator(log: list[str]) -> AsyncIterator[None]:
        try:
            yield
        finally:
            log.append("finally")

    with pytest.raises(ValueError, match="x"):
        called(generator, fails=True)


def test_two_yields_are_one_too_many() -> None:
    async def generator(log: list[str]) -> AsyncIterator[None]:
        yield
        yield

    with pytest.raises(ContractError, match="generator yielded twice"):
        called(generator)
