from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from airflow_provider_maestroqa.client.errors import MaestroQADataError
from airflow_provider_maestroqa.client.resources import models

NOON = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)
TICKET = {"ticket_id": "T-1", "type": "phone", "subject": "Hello", "agents": ["ann"], "link": "https://desk/T-1"}
METRIC = {
    "ticket_id": "T-1",
    "source_id": "desk",
    "agent_id": "ann",
    "metric_id": "handle_time",
    "metric_value": 17,
    "timestamp": NOON,
}
COMMENT = {"ticket_id": "T-1", "body": "Good morning"}
AGENT = {"name": "Ann", "available": True, "email": "ann@example.com"}
SCORE = {"submitted_at": NOON, "ticket_id": "T-1", "agent_id": "ann", "score": 4}
EVERY = {
    "TICKET": TICKET,
    "TICKET_METRIC": METRIC,
    "COMMENT": COMMENT,
    "CSAT_SCORE": {name: value for name, value in SCORE.items() if name != "agent_id"} | {"agent_email": "a@b.c"},
    "AGENT": AGENT,
    "AGENT_METRIC": {name: METRIC[name] for name in ("agent_id", "metric_id", "metric_value", "timestamp")},
    "AGENT_ID": {"email": "ann@example.com", "agentId": "ann"},
    "AGENT_AVAILABILITY": {"email": "ann@example.com", "available": False},
}


def problem(kind, record):
    with pytest.raises(MaestroQADataError) as caught:
        kind.check(record)
    assert caught.value.__context__ is None, "the library's error holds the whole record"
    return caught.value.message


@pytest.mark.parametrize("name", EVERY)
def test_a_record_with_what_is_required_passes(name):
    checked = getattr(models, name).check(EVERY[name])
    assert set(checked) == set(EVERY[name])


@pytest.mark.parametrize(
    ("name", "field"),
    [(name, field) for name, record in EVERY.items() for field in record if field in getattr(models, name).required],
)
def test_a_required_field_that_is_missing_or_null_is_named(name, field):
    kind, record = getattr(models, name), EVERY[name]
    without = {other: value for other, value in record.items() if other != field}
    assert problem(kind, without).startswith(f"{field} is missing")
    assert problem(kind, {**record, field: None}).startswith(f"{field} is missing")


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (NOON, "2026-01-31T12:00:00Z"),
        (NOON.replace(microsecond=1500), "2026-01-31T12:00:00.001Z"),
        (datetime(2026, 1, 31, 13, tzinfo=timezone(timedelta(hours=1))), "2026-01-31T12:00:00Z"),
        ("2026-01-31T13:00:00+01:00", "2026-01-31T12:00:00Z"),
        ("2026-01-31T12:00:00.000Z", "2026-01-31T12:00:00Z"),
    ],
)
def test_times_are_sent_in_utc(given, sent):
    assert models.TICKET_METRIC.check({**METRIC, "timestamp": given})["timestamp"] == sent


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (datetime(2026, 1, 31), "timestamp is a naive datetime; give it a time zone"),
        ("2026-01-31T12:00:00", "timestamp must be an aware datetime, or text with a time zone"),
        (date(2026, 1, 31), "got date"),
        (1_769_860_800, "got int"),
        ("yesterday", "got 'yesterday' (str)"),
    ],
)
def test_a_time_without_a_zone_or_that_is_none_is_refused(given, says):
    assert says in problem(models.TICKET_METRIC, {**METRIC, "timestamp": given})


@pytest.mark.parametrize(
    ("given", "sent"), [(3, 3), (2.5, 2.5), (Decimal("85.5"), 85.5), (Decimal("7.0"), 7), (0, 0)]
)
def test_numbers_are_sent_as_numbers(given, sent):
    value = models.TICKET_METRIC.check({**METRIC, "metric_value": given})["metric_value"]
    assert (value, type(value)) == (sent, type(sent))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("17", "metric_value must be a number, got str; pass an int or a float"),
        (True, "metric_value must be a number, got bool"),
        (float("nan"), "metric_value must be a finite number, got nan"),
        (float("inf"), "finite"),
        (Decimal("NaN"), "finite"),
        ([1], "got list"),
    ],
)
def test_what_is_no_number_is_refused(given, says):
    assert says in problem(models.TICKET_METRIC, {**METRIC, "metric_value": given})


@pytest.mark.parametrize(
    ("field", "given", "says"),
    [
        ("ticket_id", 7.0, "ticket_id must be text, got float; convert it where the record is made (pandas"),
        ("ticket_id", True, "ticket_id must be text, got bool"),
        ("ticket_id", float("nan"), "ticket_id is missing"),
        ("csat_score", 10**400, "csat_score is a number with more than 308 digits"),
        ("ticket_id", "  ", "ticket_id is empty text; it needs a value"),
        ("status", "", "status is empty text; leave it out or give it a value"),
        ("agents", "ann", "agents must be a list of text, got str; write it like ['one', 'two']"),
        ("agents", ["ann", 7.5], "agents must be a list of text, but [1] is float"),
        ("tags", ["a,b"], "tags has the tag 'a,b' with a comma in it"),
        ("tags", [], "tags is an empty list; leave it out"),
        ("tags", 7, "tags must be a list of text, got int"),
        ("csat_score", "5", "csat_score must be a number, got str"),
        ("attributes", [], "attributes must be a dict of custom attributes, got list"),
        ("attributes", {"seen": {1, 2}}, "attributes has a set in 'seen', which JSON cannot hold"),
        ("attributes", {"deep": {"score": float("inf")}}, "attributes must be a finite number"),
        ("attributes", {"when": datetime(2026, 1, 1)}, "attributes is a naive datetime"),
        ("attributes", {7: "x"}, "attributes has a name that is not text (int)"),
        ("subjekt", "x", "subjekt is not a field of a ticket; did you mean subject?"),
        ("colour", "x", "colour is not a field of a ticket; it has: ticket_id, type"),
    ],
)
def test_a_wrong_field_of_a_ticket_is_named_with_its_type_and_the_remedy(field, given, says):
    assert says in problem(models.TICKET, {**TICKET, field: given})


class Scalar:
    """What numpy's values have in common."""

    __module__ = "numpy"

    def __init__(self, value):
        self.value = value

    def tolist(self):
        return self.value


def missing(name):
    return type(name, (), {})()


@pytest.mark.parametrize(
    "gap", [float("nan"), Decimal("NaN"), missing("NaTType"), missing("NAType"), Scalar(float("nan"))]
)
def test_an_optional_value_that_is_missing_is_absent(gap):
    record = {**TICKET, "csat_score": gap, "first_seen": gap, "status": gap, "attributes": {"n": gap, "m": 1}}
    assert models.TICKET.check(record) == {**TICKET, "attributes": {"m": 1}}


def test_the_values_of_numpy_are_what_they_look_like():
    given = {**METRIC, "ticket_id": Scalar(17), "metric_value": Scalar(2.5), "metric_deleted": Scalar(True)}
    sent = models.TICKET_METRIC.check(given)
    assert (sent["ticket_id"], sent["metric_value"], sent["metric_deleted"]) == ("17", 2.5, True)
    assert models.TICKET.check({**TICKET, "agents": Scalar(["ann", 7])})["agents"] == ["ann", "7"]


def test_the_rows_of_a_dataframe_are_records():
    pandas = pytest.importorskip("pandas", reason="pandas is tested with the newest Airflow")
    frame = pandas.DataFrame(
        {
            "ticket_id": [17, 18],
            "subject": ["a", "b"],
            "type": ["t", "t"],
            "link": ["l", "l"],
            "agents": [["ann"], ["bob"]],
            "csat_score": [4, None],
            "first_seen": pandas.to_datetime(["2026-01-31T12:00:00Z", None]),
        }
    )
    first, second = (models.TICKET.check(row) for row in frame.to_dict("records"))
    assert (first["ticket_id"], first["csat_score"], first["first_seen"]) == ("17", 4, "2026-01-31T12:00:00Z")
    assert not {"csat_score", "first_seen"} & set(second)


@pytest.mark.parametrize(("given", "sent"), [(5071, "5071"), (0, "0"), (-3, "-3")])
def test_a_whole_number_is_text_where_only_text_is_meant(given, sent):
    """A template that is rendered to native objects makes numbers of ids."""
    assert models.COMMENT.check({**COMMENT, "ticket_id": given, "body": given}) == {"ticket_id": sent, "body": sent}


def test_tags_are_sent_as_one_text():
    assert models.TICKET.check({**TICKET, "tags": ["login", "late"]})["tags"] == "login,late"
    assert models.TICKET.check({**TICKET, "tags": "login,late"})["tags"] == "login,late"


def test_attributes_are_sent_as_json_can_hold_them():
    given = {"count": Decimal(5), "when": NOON, "none": None, "list": [1, {"a": None, "b": True}], "group": "Support"}
    assert models.TICKET.check({**TICKET, "attributes": given})["attributes"] == {
        "count": 5,
        "when": "2026-01-31T12:00:00Z",
        "list": [1, {"b": True}],
        "group": "Support",
    }


def test_attributes_without_an_end_are_refused():
    endless = {}
    endless["again"] = endless
    assert "which JSON cannot hold" in problem(models.TICKET, {**TICKET, "attributes": endless})


def test_nulls_are_left_out_but_for_the_one_that_means_something():
    assert "status" not in models.TICKET.check({**TICKET, "status": None})
    assert models.TICKET_METRIC.check({**METRIC, "ticket_event_id": None})["ticket_event_id"] is None


@pytest.mark.parametrize(
    ("kind", "record", "says"),
    [
        (models.COMMENT, {**COMMENT, "role": "boss"}, "role must be 'customer' or 'agent', got str 'boss'"),
        (models.COMMENT, {**COMMENT, "public": "yes"}, "public must be True or False, got str"),
        (models.AGENT, {**AGENT, "available": 1}, "available must be True or False, got int"),
        (models.AGENT, {**AGENT, "email": "ann"}, "email must be an e-mail address such as ann@example.com"),
        (models.AGENT, {**AGENT, "email": 7}, "email must be an e-mail address, got int"),
        (models.TICKET_CHANGES, {}, "it has no fields"),
        (models.TICKET_CHANGES, {"ticket_id": "T-1"}, "ticket_id is not a field of a change of a ticket"),
        (models.COMMENT, ["T-1", "x"], "a comment must be a dict with the API's field names, got list"),
        (models.AGENT, "ann", "an agent must be a dict"),
        (models.COMMENT, {**COMMENT, 7: "x"}, "7"),
    ],
)
def test_a_wrong_record_is_told(kind, record, says):
    assert says in problem(kind, record)


def test_all_problems_of_a_record_are_told_at_once():
    said = problem(models.TICKET_METRIC, {"ticket_id": 1.5, "metric_value": "x", "timestamp": 2, "oops": 3})
    assert said.startswith("source_id, agent_id, metric_id are missing, which every ticket metric needs; ")
    assert all(name in said for name in ("ticket_id must be text", "metric_value must be", "timestamp must be"))


def test_a_wrong_value_is_not_shown_at_length():
    said = problem(models.COMMENT, {**COMMENT, "role": "x" * 1000, "time": "y" * 1000})
    assert len(said) < 300


def test_the_record_that_was_given_stays_as_it_was():
    given = {**TICKET, "tags": ["a"], "status": None, "attributes": {"n": None}}
    models.TICKET.check(given)
    assert given == {**TICKET, "tags": ["a"], "status": None, "attributes": {"n": None}}


@pytest.mark.parametrize("given", [4, 4.0, Decimal("4"), Decimal("4.00")])
def test_a_whole_number_is_sent_as_one(given):
    checked = models.CSAT_SCORE.check({**SCORE, "score": given})
    assert (checked["score"], type(checked["score"])) == (4, int)


ANSWER = {"question": "Was it solved?", "score": 4}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"score": 4.5}, "score must be a whole number such as 4, got one with decimals"),
        ({"score": "4"}, "score must be a number, got str"),
        ({"score": True}, "score must be a number, got bool"),
        ({"score": float("nan")}, "score must be a finite number"),
        ({"score": 6}, "score is 6, not from 1 to 5; set min_score and max_score to the ends of the scale"),
        ({"score": 0}, "score is 0, not from 1 to 5"),
        ({"score": 11, "max_score": 10}, "score is 11, not from 1 to 10"),
        ({"min_score": 5, "max_score": 1}, "min_score is 5 and max_score is 1; swap or correct them"),
        ({"min_score": 7}, "min_score is 7 and max_score is 5"),
        ({"agent_id": None}, "agent_id or agent_email is needed"),
        ({"agent_email": "ann"}, "agent_email must be an e-mail address"),
        ({"clarifying_answers": "yes"}, "clarifying_answers must be a list of dicts, got str"),
        ({"clarifying_answers": [ANSWER, 5]}, "clarifying_answers.1 must be a dict, got int"),
        ({"clarifying_answers": [{"score": 4}]}, "clarifying_answers.0.question is missing"),
        ({"clarifying_answers": [{**ANSWER, "colour": 1}]}, "clarifying_answers.0.colour is no field there"),
        ({"clarifying_answers": [{**ANSWER, "score": 9}]}, "clarifying_answers.0.score is 9, not from 1 to 5"),
        ({"clarifying_answers": [{**ANSWER, "score": "9"}]}, "clarifying_answers.0.score must be a number, got str"),
    ],
)
def test_a_score_that_means_nothing_is_rejected_with_the_field_and_the_remedy(change, says):
    assert says in problem(models.CSAT_SCORE, {**SCORE, **change})


def test_what_is_absent_in_an_answer_is_left_out():
    answers = [{**ANSWER, "comment": None, "score": float("nan")}]
    sent = models.CSAT_SCORE.check({**SCORE, "clarifying_answers": answers})
    assert sent["clarifying_answers"] == [{"question": "Was it solved?"}]
