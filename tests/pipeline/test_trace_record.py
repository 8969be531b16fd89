"""The record of a trace: plain values that can be written as JSON, without secrets (pipeline D-04)."""

import json
from datetime import UTC, datetime

from penstock import Context
from penstock.pipeline.trace_record import VERSION
from tests.pipeline.subject import raising
from tests.pipeline.trace_subject import traced


class TestValues:
    def test_they_are_plain(self) -> None:
        (record,) = traced(handler=raising(ValueError("no")), path="/?page=1")
        again = json.loads(json.dumps(record))
        assert (again["version"], again["method"], again["http"]) == (VERSION, "GET", "1.1")
        assert again["rule"] == {"at": "/", "status": ["1xx", "200-599"], "slower_than": 0.0}
        assert (again["outcome"], again["target"], again["led_to"]) == ("failed", "function /", "")
        assert (again["redispatches"], again["errors_left_out"], again["is_cut"]) == ([], 0, False)

    def test_its_time_is_that_at_which_the_request_came(self) -> None:
        before = datetime.now(UTC)
        (record,) = traced()
        came = datetime.fromisoformat(record["time"])
        assert came.tzinfo == UTC
        assert abs((came - before).total_seconds()) < 5.0

    def test_what_there_is_nothing_to_say_about_is_left_out_of_a_step(self) -> None:
        (record,) = traced()
        (step,) = [step for step in record["steps"] if step["module"] == "function /"]
        assert sorted(step) == ["at", "hook", "is_post", "module", "seconds", "stage"]

    def test_what_a_client_makes_long_is_cut(self) -> None:
        (record,) = traced(path="/" + "x" * 5000)
        assert (record["status"], len(record["path"]) < 2100) == (404, True)


class TestRecord:
    def test_pipeline_d04_secrets_are_not_in_it(self) -> None:
        def answers(context: Context) -> str:
            context.response.headers["set-cookie"] = "id=s3cret"
            return "done"

        secrets = {"authorization": "Bearer s3cret", "cookie": "id=s3cret", "x-api-key": "s3cret"}
        (record,) = traced(handler=answers, path="/?page=s3cret&s3cret", headers={**secrets, "x-kept": "yes"})
        assert "s3cret" not in repr(record)
        assert record["query"] == ["page", "[redacted]"]
        assert ("x-kept", "yes") in record["headers"]
        assert ("set-cookie", "[redacted]") in record["response_headers"]

    def test_pipeline_d06_it_has_the_trace_id_of_the_caller(self) -> None:
        trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
        (record,) = traced(headers={"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"})
        assert record["trace_id"] == trace_id

    def test_a_long_traceback_keeps_its_beginning_and_its_end(self) -> None:
        def deep(context: Context) -> None:
            raise ValueError("x" * 100_000)

        (record,) = traced(handler=deep)
        (error,) = record["errors"]
        assert error["traceback"].startswith("Traceback")
        assert len(error["traceback"]) < 31_000
        assert len(error["message"]) < 2100

    def test_an_error_without_a_message_to_be_had(self) -> None:
        class Mute(Exception):
            def __str__(self) -> str:
                raise RuntimeError("no")

        (record,) = traced(handler=raising(Mute()))
        assert record["errors"][0]["message"] == "its message cannot be had"

    def test_an_error_that_names_what_utf_8_cannot_hold(self) -> None:
        (record,) = traced(handler=raising(OSError("no file caf\udce9")))
        assert record["errors"][0]["message"] == "no file caf\\udce9"
        assert json.dumps(record, ensure_ascii=False).encode()

    def test_pipeline_d04_of_many_header_fields_the_first_are_kept(self) -> None:
        def answers(context: Context) -> None:
            for number in range(1000):
                context.response.headers.add(f"x-{number}", "yes")

        (record,) = traced(handler=answers)
        assert len(record["response_headers"]) == 200
