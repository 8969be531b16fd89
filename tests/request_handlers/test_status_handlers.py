"""Handlers that answer with a status and nothing else."""

from typing import Any

import pytest

from penstock import HTTPError
from penstock.request_handlers.status_handlers import status_handler


class TestStatusHandler:
    @pytest.mark.parametrize("status", [403, 404, 410, 501])
    def test_pipeline_h15_answers_with_its_status(self, status: int) -> None:
        context: Any = None
        with pytest.raises(HTTPError) as caught:
            status_handler(status)(context)
        assert caught.value.status == status
        assert caught.value.headers == ()

    def test_pipeline_h15_a_405_says_that_nothing_is_allowed(self) -> None:
        context: Any = None
        with pytest.raises(HTTPError) as caught:
            status_handler(405)(context)
        assert caught.value.headers == ((b"allow", b""),)
