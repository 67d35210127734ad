from __future__ import annotations

import json
import re

import pytest

from airflow_provider_maestroqa.client.errors import MaestroQADataError


def lines(*records):
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def test_an_object_becomes_a_record_with_its_line(read, metric):
    sent = metric[2]
    result = read(lines(sent, sent), "m.jsonl")
    assert result.bodies == [sent, sent]
    assert result.positions == ["m.jsonl line 1", "m.jsonl line 2"]


@pytest.mark.parametrize("name", ["m.jsonl", "m.ndjson", "m.json", "M.JSONL"])
def test_the_name_tells_the_format(read, metric, name):
    assert read(lines(metric[2]), name).bodies == [metric[2]]


def test_blank_lines_are_passed_over_and_counted(read, metric):
    result = read(b"\n  \r\n" + lines(metric[2]) + b"\n", "m.jsonl")
    assert result.positions == ["m.jsonl line 3"]


def test_an_empty_file_is_no_record(read):
    assert read(b"", "m.jsonl").records == []
    assert read(b"\xef\xbb\xbf\n", "m.jsonl", mapping=None).records == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"ticket_id": "T-1",}', r"the line is not JSON \(.*at character \d+\)"),
        (b"nonsense", r"the line is not JSON .*'nonsense'"),
        (b"[1, 2]", r"must hold a JSON object, and holds a list; a JSON array is not JSON Lines"),
        (b"[", r"a JSON array is not JSON Lines"),
        (b'"text"', r"must hold a JSON object, and holds a str"),
        (b"17", r"holds a int"),
        (b"null", r"holds a NoneType"),
        (b'{"ticket_id": "\xff"}', r"the line is not UTF-8: its byte 16 is 0xff"),
        (b'{"a": 1, "a": 2}', r"has the key 'a' more than once"),
        (b'{"metric_value": NaN}', r"holds NaN, which JSON does not have"),
        (b"[" * 200_000, r"nested too deep|no JSON"),
        (b'{"n": ' + b"9" * 5000 + b"}", r"."),
    ],
)
def test_a_bad_line_is_one_bad_record(read, metric, line, said):
    sent = metric[2]
    result = read(lines(sent) + line + b"\n" + lines(sent), "m.jsonl")
    assert result.bodies == [sent, sent]
    assert list(result.errors) == ["m.jsonl line 2"]
    assert re.search(said, result.errors["m.jsonl line 2"])


def test_a_line_that_is_too_long_is_one_bad_record(read, metric, monkeypatch):
    monkeypatch.setattr("airflow_provider_maestroqa.sources.json_lines.MAX_LINE_BYTES", 1000)
    sent = metric[2]
    result = read(lines(sent) + b"x" * 4321 + b"\n" + lines(sent) + b"y" * 5000, "m.jsonl")
    assert result.positions == [f"m.jsonl line {number}" for number in (1, 2, 3, 4)]
    assert len(result.bodies) == 2
    assert result.errors["m.jsonl line 2"] == "the line has more than 1,000 bytes"


def test_cells_are_read_by_the_fields_type(read):
    record = {"ticket_id": 17, "body": "b", "public": 1, "time": "2026-01-01 10:00:00 UTC", "author_id": None}
    assert read(lines(record), "m.jsonl", resource="comments").bodies == [
        {"ticket_id": "17", "body": "b", "public": True, "time": "2026-01-01T10:00:00Z"}
    ]


def test_nested_attributes_and_dotted_ones_come_together(read):
    ticket = {"ticket_id": "T", "type": "t", "subject": "s", "agents": ["a"], "link": "l"}
    given = {**ticket, "attributes": {"group": "x"}, "attributes.recontact": True}
    (body,) = read(lines(given), "m.jsonl", resource="tickets").bodies
    assert body["attributes"] == {"group": "x", "recontact": True}


def test_a_key_that_is_no_field_is_refused_with_its_line(read, metric):
    result = read(lines(metric[2], {**metric[2], "tikket_id": "x"}), "m.jsonl")
    assert "tikket_id is not a field of a ticket metric; did you mean ticket_id?" in result.errors["m.jsonl line 2"]


def test_a_mapping_takes_keys_and_paths(read, metric):
    sent = metric[2]
    mapping = {**{name: name for name in sent}, "ticket_id": "ticket.id", "agent_id": "by.agent.id"}
    nested = {**sent, "ticket": {"id": 5}, "by": {"agent": {"id": "a"}}, "noise": [1]}
    flat = {**sent, "ticket.id": "6", "by": None}
    result = read(lines(nested, flat), "m.jsonl", mapping=mapping)
    assert result.bodies == [{**sent, "ticket_id": "5", "agent_id": "a"}]
    assert "agent_id is missing" in result.errors["m.jsonl line 2"]


def test_a_mapped_key_that_no_line_has_is_an_error_that_names_it(read, metric):
    sent = metric[2]
    mapping = {**{name: name for name in sent}, "ticket_event_id": "event"}
    with pytest.raises(
        MaestroQADataError, match=r"no key 'event', .* takes ticket_event_id\. .* 2 lines have: 'ticket_"
    ):
        read(lines(sent, sent), "m.jsonl", mapping=mapping)
    optional = {**mapping, "ticket_event_id": {"column": "event", "optional": True}}
    assert read(lines(sent), "m.jsonl", mapping=optional).bodies == [sent]


def test_a_mapped_key_may_be_missing_in_some_lines_or_null(read, metric):
    sent = metric[2]
    mapping = {**{name: name for name in sent}, "ticket_event_id": "event"}
    assert read(lines(sent, {**sent, "event": None}), "m.jsonl", mapping=mapping).bodies == [sent, sent]
    late = [sent] * 998 + [{**sent, "event": "e"}]
    assert len(read(lines(*late), "m.jsonl", mapping=mapping).bodies) == 999


def test_a_mapping_over_bad_lines_alone_says_nothing_of_columns(read, metric):
    mapping = {name: name for name in metric[2]}
    with pytest.raises(
        MaestroQADataError, match=r"None of the 2 records is one\. The first: the line is not JSON.* Check"
    ):
        read(b"nope\nnope\n", "m.jsonl", mapping=mapping)
