"""Batches of records against the sandbox: what arrives, what it costs, what is said."""

from __future__ import annotations

import json
import math

import pytest
from factories import many, numbered

from airflow_provider_maestroqa.client.errors import (
    MaestroQAConfigError,
    MaestroQADataError,
    MaestroQANotFoundError,
    MaestroQAOutcomeUnknownError,
    MaestroQAValidationError,
)
from airflow_provider_maestroqa.pushes.options import PushOptions

PATHS = {
    "ticket_metrics": "/api/v1/ticket-metrics-batch",
    "agent_metrics": "/api/v1/agent-metrics-batch",
    "comments": "/api/v1/comments-batch",
}


def bodies(sandbox, path):
    return [seen.body["batch"] for seen in sandbox.requests if seen.path == path]


@pytest.mark.parametrize("resource", ["ticket_metrics", "comments"])
@pytest.mark.parametrize("count", [1, 499, 500, 501, 1234])
def test_any_number_of_records_travels_in_batches_of_500(push, sandbox, resource, count):
    report = push(resource, iter(many(resource, count)))
    sizes = [len(batch) for batch in bodies(sandbox, PATHS[resource])]
    assert sizes == [500] * (count // 500) + ([count % 500] if count % 500 else [])
    assert (report.sent, report.confirmed, report.rejected, report.unconfirmed) == (count, count, 0, 0)
    assert report.requests == math.ceil(count / 500)
    assert len(sandbox.comments if resource == "comments" else sandbox.ticket_metrics) == count


def test_agent_metrics_arrive(push, sandbox):
    assert push("agent_metrics", many("agent_metrics", 3)).confirmed == 3
    assert sorted(value["metric_value"] for value in sandbox.agent_metrics.values()) == [0, 1, 2]


def test_comments_arrive_in_their_order(push, sandbox):
    push("comments", iter(many("comments", 1100)))
    assert [one["body"] for one in sandbox.comments] == [f"comment {number}" for number in range(1100)]


def test_an_empty_source_is_a_success_without_a_request(push, sandbox, tmp_path):
    report = push("comments", [], rejects=tmp_path / "rejects.jsonl", on_error="collect")
    assert report.as_dict() == {
        "resource": "comments",
        "sent": 0,
        "confirmed": 0,
        "created": 0,
        "updated": 0,
        "rejected": 0,
        "unconfirmed": 0,
        "requests": 0,
        "waited_s": 0,
        "rejects_path": None,
        "repeated": 0,
    }
    assert sandbox.requests == []
    assert not (tmp_path / "rejects.jsonl").exists()


def test_records_are_read_only_as_they_are_sent(push, sandbox):
    read = []

    def source():
        for number in range(1500):
            read.append(number)
            yield numbered("ticket_metrics", number)

    seen = []
    push("ticket_metrics", source(), before=lambda call: seen.append(len(read)))
    assert seen == [500, 1000, 1500]


def test_a_batch_is_smaller_where_its_records_are_large(push, sandbox):
    report = push("comments", iter(many("comments", 100, body="x" * 100_000)))
    assert report.requests == 3
    assert all(sum(len(one["body"]) for one in batch) <= 4_000_000 for batch in bodies(sandbox, PATHS["comments"]))
    assert len(sandbox.comments) == 100


def test_a_server_that_takes_less_gets_less(push, make_sandbox):
    sandbox = make_sandbox(largest_body=30_000)
    report = push("ticket_metrics", iter(many("ticket_metrics", 1000)), to=sandbox)
    assert report.confirmed == len(sandbox.ticket_metrics) == 1000
    refused = sum(1 for seen in sandbox.requests if seen.status == 413)
    assert 1 <= refused <= 3, "what is too large is learned once"


def test_one_record_that_is_too_large_alone_is_refused_alone(push, make_sandbox):
    sandbox = make_sandbox(largest_body=30_000)
    records = many("comments", 6, {3: {"body": "x" * 40_000}})
    report = push("comments", records, to=sandbox, on_error="collect")
    assert (report.confirmed, report.rejected) == (5, 1)
    assert [one["ticket_id"] for one in sandbox.comments] == [f"T-{number}" for number in (0, 1, 2, 4, 5)]


# -- Records that are refused ---------------------------------------------------------------------------------------

BAD_HERE = {"metric_value": "seventeen"}
BAD_THERE = {"agent_id": "nobody"}


@pytest.mark.parametrize("bad", [BAD_HERE, BAD_THERE], ids=["here", "by MaestroQA"])
@pytest.mark.parametrize("where", [{0}, {499}, {500}, {999}, {0, 1, 998, 999}, set(range(0, 1000, 100))], ids=str)
def test_a_bad_record_costs_none_of_the_others(push, sandbox, tmp_path, bad, where):
    records = many("ticket_metrics", 1000, dict.fromkeys(where, bad))
    report = push(
        "ticket_metrics",
        iter(records),
        on_error="collect",
        max_rejects=len(where),
        rejects=tmp_path / "rejects.jsonl",
    )
    assert (report.confirmed, report.rejected, report.unconfirmed) == (1000 - len(where), len(where), 0)
    assert {key.split("-")[1] for key in (one["ticket_id"] for one in sandbox.ticket_metrics.values())} == {
        str(number) for number in range(1000) if number not in where
    }
    lines = [json.loads(line) for line in (tmp_path / "rejects.jsonl").read_text().splitlines()]
    assert [line["index"] for line in lines] == sorted(where)
    assert all(line["record"] == records[line["index"]] and line["reason"] for line in lines)
    assert report.rejects_path == (tmp_path / "rejects.jsonl").as_uri()


def test_one_bad_record_in_500_that_the_response_names_costs_three_requests_at_most(push, sandbox):
    for position in range(0, 500, 83):
        before = sandbox.count("POST", PATHS["ticket_metrics"])
        records = many("ticket_metrics", 2000, dict.fromkeys(range(position, 2000, 500), BAD_THERE))
        report = push("ticket_metrics", records, on_error="collect")
        assert (report.confirmed, report.rejected) == (1996, 4)
        spent = sandbox.count("POST", PATHS["ticket_metrics"]) - before - 2000 // 500
        assert report.requests == spent + 4
        assert spent / 4 <= 3, position


def test_what_a_server_says_of_a_record_forges_no_line_and_fills_no_rejects(push, sandbox, tmp_path, caplog):
    said = "bad\n[2026-01-01] ERROR \x1b[31m\u2028forged" + "x" * 100_000
    records = many("ticket_metrics", 3)
    sandbox.fault(kind="status", status=400, path=PATHS["ticket_metrics"], body={"error": said}, times=None)
    rejects = tmp_path / "rejects.jsonl"
    assert push("ticket_metrics", records, on_error="collect", rejects=rejects).rejected == 3
    lines = [json.loads(line) for line in rejects.read_text().splitlines()]
    result = {"ticket_id": said, "error": said}
    sandbox.fault(
        kind="status", status=200, path=PATHS["comments"], body={"results": [result, said, {**result, said: said}]}
    )
    report = push("comments", many("comments", 3), on_error="collect")
    assert report.unconfirmed == 3
    texts = [*(line["reason"] for line in lines), *(line.getMessage() for line in caplog.records), str(report)]
    assert all(text.isprintable() and len(text) < 1_000 for text in texts)


def test_all_records_may_be_bad(push, sandbox):
    records = many("ticket_metrics", 20, **BAD_THERE)
    report = push("ticket_metrics", records, on_error="collect")
    assert (report.confirmed, report.rejected, sandbox.ticket_metrics) == (0, 20, {})
    records = many("ticket_metrics", 20, **BAD_HERE)
    report = push("ticket_metrics", records, on_error="collect")
    assert (report.rejected, report.requests) == (20, 0)


def test_good_and_bad_records_mixed_keep_their_order_in_the_rejects(push, sandbox, tmp_path):
    bad = {3: BAD_THERE, 4: BAD_HERE, 7: BAD_HERE, 8: BAD_THERE}
    records = many("ticket_metrics", 12, bad)
    push("ticket_metrics", records, on_error="collect", rejects=tmp_path / "rejects.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "rejects.jsonl").read_text().splitlines()]
    assert [line["index"] for line in lines] == [3, 4, 7, 8]


def test_one_more_than_max_rejects_fails_and_says_which(push, sandbox, tmp_path):
    records = many("ticket_metrics", 10, dict.fromkeys(range(3), BAD_HERE))
    assert push("ticket_metrics", records, on_error="collect", max_rejects=3).rejected == 3
    with pytest.raises(
        MaestroQADataError, match=r"3 records are rejected, and max_rejects=2 .*record 2: metric_value"
    ):
        push("ticket_metrics", records, on_error="collect", max_rejects=2, rejects=tmp_path / "rejects.jsonl")
    assert len((tmp_path / "rejects.jsonl").read_text().splitlines()) == 3


def test_a_bad_record_in_a_list_stops_the_push_before_anything_is_sent(push, sandbox):
    records = many("ticket_metrics", 800, {700: BAD_HERE})
    with pytest.raises(MaestroQADataError, match=r"Record 700 of the ticket metrics .*Nothing was sent"):
        push("ticket_metrics", records)
    assert sandbox.requests == []


def test_a_bad_record_in_a_stream_stops_the_push_where_it_is_read(push, sandbox):
    records = iter(many("ticket_metrics", 800, {700: BAD_HERE}))
    with pytest.raises(MaestroQADataError, match=r"Record 700 of the .*500 records before were confirmed"):
        push("ticket_metrics", records)
    assert len(sandbox.ticket_metrics) == 500


def test_a_batch_that_is_refused_fails_with_the_words_of_the_server(push, sandbox):
    records = many("ticket_metrics", 20, {7: BAD_THERE})
    with pytest.raises(MaestroQANotFoundError) as caught:
        push("ticket_metrics", records)
    said = str(caught.value)
    assert "batch[7].agent_id 'nobody'" in said
    assert "This is about records 0 to 19 of the ticket metrics, none of which was taken" in said
    assert "on_error='collect' finds out which ones" in said
    assert sandbox.ticket_metrics == {}


def test_records_that_are_bad_only_together_are_not_lost(push, sandbox):
    for count in (4, 2):
        sandbox.fault(kind="status", status=400, body={"error": f"no more than {count}"}, path=PATHS["comments"])
    report = push("comments", many("comments", 8), on_error="collect")
    assert (report.confirmed, report.rejected) == (8, 0)
    assert [one["body"] for one in sandbox.comments] == [f"comment {number}" for number in range(8)]


def test_a_404_without_a_word_is_no_records_fault(push, sandbox):
    sandbox.fault(kind="status", status=404, body=b"<html>no such page</html>", times=None)
    with pytest.raises(MaestroQANotFoundError):
        push("ticket_metrics", many("ticket_metrics", 8), on_error="collect")
    assert len(sandbox.requests) == 1


@pytest.mark.parametrize("record", [None, 7, "text", [], ("ticket_id", "x")])
def test_what_is_no_record_is_refused_like_a_bad_one(push, sandbox, record):
    report = push("comments", [numbered("comments", 1), record, numbered("comments", 2)], on_error="collect")
    assert (report.confirmed, report.rejected) == (2, 1)


def test_a_source_that_raises_in_the_middle_keeps_what_is_confirmed(push, sandbox, state_store):
    def source(breaks):
        for number in range(1200):
            if breaks and number == 700:
                raise ConnectionResetError("the database is gone")
            yield numbered("comments", number)

    with pytest.raises(ConnectionResetError):
        push("comments", source(True), state_store=state_store)
    assert len(sandbox.comments) == 500
    report = push("comments", source(False), state_store=state_store)
    assert [one["body"] for one in sandbox.comments] == [f"comment {number}" for number in range(1200)]
    assert (report.confirmed, report.requests) == (1200, 3)


# -- Answers that confirm less than was sent ------------------------------------------------------------------------


def test_records_that_an_answer_does_not_confirm_are_named_and_not_sent_again(push, sandbox, caplog):
    sandbox.fault(kind="lost", at=2)
    records = many("comments", 10)
    report = push("comments", records, on_error="collect")
    assert (report.sent, report.confirmed, report.unconfirmed) == (10, 8, 2)
    lost = [number for number in range(10) if f"comment {number}" not in {one["body"] for one in sandbox.comments}]
    said = next(record.getMessage() for record in caplog.records if "does not confirm" in record.getMessage())
    assert all(str(number) in said for number in lost)
    assert sandbox.count("POST", PATHS["comments"]) == 1


def test_unconfirmed_records_fail_a_push_that_may_not_lose_any(push, sandbox, state_store):
    sandbox.fault(kind="unconfirmed", at=3)
    with pytest.raises(MaestroQAOutcomeUnknownError, match="took 10 records and does not confirm 3 of them"):
        push("comments", many("comments", 10), state_store=state_store)
    report = push("comments", many("comments", 10), state_store=state_store)
    assert (report.confirmed, report.unconfirmed) == (7, 3)
    assert len(sandbox.comments) == 10


def test_an_answer_without_results_confirms_nothing(push, sandbox):
    sandbox.fault(kind="no_results")
    report = push("ticket_metrics", many("ticket_metrics", 4), on_error="collect")
    assert (report.confirmed, report.unconfirmed) == (0, 4)


def test_a_partial_success_is_told_record_by_record(push, make_sandbox, caplog):
    sandbox = make_sandbox(batch_mode="partial")
    records = many("ticket_metrics", 8, dict.fromkeys((3, 6), BAD_THERE))
    report = push("ticket_metrics", records, to=sandbox, on_error="collect")
    assert (report.confirmed, report.unconfirmed, report.rejected) == (6, 2, 0)
    assert "does not confirm 2 of them: records 3, 6" in caplog.text
    assert sandbox.count("POST", PATHS["ticket_metrics"]) == 1


# -- What is asked of a push ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"on_error": "ignore"}, "on_error must be one of fail, collect"),
        ({"on_unknown_outcome": "guess"}, "on_unknown_outcome must be one of fail, resend, skip"),
        ({"on_error": "collect", "max_rejects": -1}, "max_rejects must be a whole number"),
        ({"on_error": "collect", "max_rejects": "many"}, "max_rejects must be a whole number"),
        ({"on_error": "collect", "max_rejects": True}, "max_rejects must be a whole number"),
        ({"max_rejects": 3}, "only together with on_error='collect'"),
    ],
)
def test_wrong_options_are_refused(options, says):
    with pytest.raises(MaestroQAConfigError, match=says):
        PushOptions.parse(**options)


def test_options_may_come_from_templates():
    assert PushOptions.parse(on_error="collect", max_rejects="12") == PushOptions("collect", 12)
    assert PushOptions.parse(max_rejects="None").max_rejects is None


def test_a_409_to_a_batch_is_no_bad_record(push, sandbox):
    sandbox.fault(kind="status", status=409, body={"error": "busy"})
    with pytest.raises(Exception, match="busy"):
        push("comments", many("comments", 2), on_error="collect")
    assert len(sandbox.requests) == 1


@pytest.mark.parametrize("status", [408, 421, 423, 425])
@pytest.mark.parametrize("on_error", ["fail", "collect"])
def test_a_transient_status_of_a_proxy_rejects_no_record(push, sandbox, status, on_error):
    sandbox.fault(kind="status", status=status, times=2)
    assert push("ticket_metrics", many("ticket_metrics", 4), on_error=on_error).confirmed == 4
    assert len(sandbox.requests) == 3


def test_a_422_is_searched_like_a_400(push, sandbox):
    sandbox.fault(kind="status", status=422, body={"error": "unprocessable"}, times=2)
    report = push("comments", many("comments", 2), on_error="collect")
    assert (report.confirmed, report.rejected) == (1, 1)
    with pytest.raises(MaestroQAValidationError):
        sandbox.fault(kind="status", status=422, body={"error": "unprocessable"})
        push("comments", many("comments", 1))
