from __future__ import annotations

import json

import pytest

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError, MaestroQADataError

TICKETS = b"id,team,score,again,who\n7,Tier 2,3,1,agent-1\n"
TICKET = {
    "ticket_id": "id",
    "type": {"value": "custom helpdesk"},
    "subject": {"value": "A call"},
    "agents": "who",
    "link": {"value": "https://example.com"},
}


def test_columns_constants_and_attributes_become_a_record(read):
    mapping = {
        **TICKET,
        "attributes.group": "team",
        "attributes.public_comment_count": {"column": "score", "type": "number"},
        "attributes.recontact": {"column": "again", "type": "boolean"},
        "attributes.region": {"value": "emea"},
        "csat_score": "score",
        "first_seen": {"value": "2026-01-31T00:00:00+01:00"},
    }
    (body,) = read(TICKETS, resource="tickets", mapping=mapping).bodies
    assert body == {
        "ticket_id": "7",
        "type": "custom helpdesk",
        "subject": "A call",
        "agents": ["agent-1"],
        "link": "https://example.com",
        "attributes": {"group": "Tier 2", "public_comment_count": 3, "recontact": True, "region": "emea"},
        "csat_score": 3,
        "first_seen": "2026-01-30T23:00:00Z",
    }


def test_an_attribute_of_which_no_type_is_said_stays_as_the_source_has_it(read):
    (body,) = read(TICKETS, resource="tickets", mapping={**TICKET, "attributes.count": "score"}).bodies
    assert body["attributes"] == {"count": "3"}


def test_columns_that_are_not_mapped_are_dropped(read):
    (body,) = read(TICKETS, resource="tickets", mapping=TICKET).bodies
    assert set(body) == {"ticket_id", "type", "subject", "agents", "link"}


def test_a_column_named_with_a_dot_is_an_attribute_without_a_mapping(read):
    content = b"ticket_id,type,subject,agents,link,attributes.group\nT,t,s,a,l,x\nT,t,s,a,l,\n"
    first, second = read(content, resource="tickets").bodies
    assert first["attributes"] == {"group": "x"}
    assert "attributes" not in second


def test_a_mapping_may_come_as_json_text(read):
    assert len(read(TICKETS, resource="tickets", mapping=json.dumps(TICKET)).bodies) == 1


@pytest.mark.parametrize("nothing", [None, "", "None"])
def test_no_mapping_is_no_mapping(read, metric, nothing):
    header, line, sent = metric
    assert read(header + line, mapping=nothing).bodies == [sent]


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        (
            {**TICKET, "tikket_id": "id"},
            r"'tikket_id' is no field of a ticket\. Did you mean ticket_id\? It has: .*link",
        ),
        ({**TICKET, "group": "team"}, r"'group' is no field of a ticket\. It has: .*attributes\.<name>"),
        ({**TICKET, "link.x": "team"}, r"'link\.x' is no field"),
        ({**TICKET, "attributes.": "team"}, r"'attributes\.' is no field"),
        ({**TICKET, 7: "team"}, r"7 is no field"),
        ({"ticket_id": "id"}, r"nothing for type, subject, agents, link, which every ticket needs"),
        ({}, r"nothing for ticket_id, type"),
        ({**TICKET, "body": 7}, r"body must get a column's name, or a constant as \{\"value\": …\}, got 7"),
        ({**TICKET, "body": ""}, r"body must get a column's name"),
        ({**TICKET, "body": {}}, r"body must get a column's name"),
        ({**TICKET, "body": {"const": "x"}}, r"body must get a column's name"),
        ({**TICKET, "body": {"value": "x", "column": "team"}}, r"body has both a column and a constant"),
        ({**TICKET, "body": {"value": None}}, r"the constant of body has no value"),
        ({**TICKET, "body": {"value": " "}}, r"the constant of body has no value"),
        ({**TICKET, "csat_score": {"value": "high"}}, r"the constant of csat_score must be a number"),
        ({**TICKET, "first_seen": {"value": "2026-01-01"}}, r"the constant of first_seen has no time zone"),
        ({**TICKET, "body": {"column": "team", "optional": "yes"}}, r"body must be written like \{\"column\""),
        ({**TICKET, "body": {"optional": True}}, r"body must be written like"),
        ({**TICKET, "csat_score": {"column": "score", "type": "number"}}, r"csat_score takes no type"),
        (
            {**TICKET, "attributes.n": {"column": "score", "type": "int"}},
            r"must be one of text, number, boolean, time",
        ),
        ({**TICKET, "attributes": "team", "attributes.n": "score"}, r"both attributes and attributes"),
        (["id"], r"mapping must be a dict, got list"),
        ("{'ticket_id': 'id'}", r"mapping is text and no JSON.* tojson"),
        ('["id"]', r"mapping must be a dict, got list"),
    ],
)
def test_a_mapping_that_cannot_work_is_told_before_the_file_is_opened(read, mapping, said):
    with pytest.raises(MaestroQAConfigError, match=said):
        read(b"\xff\xfe", resource="tickets", mapping=mapping)


def test_a_column_that_the_source_does_not_have_is_named_with_those_it_has(read):
    with pytest.raises(
        MaestroQADataError,
        match=r"has no column 'squad', from which the mapping takes attributes\.group\. It has: 'id', 'team'",
    ):
        read(TICKETS, resource="tickets", mapping={**TICKET, "attributes.group": "squad"})


def test_an_optional_column_may_be_missing(read):
    mapping = {**TICKET, "attributes.group": {"column": "squad", "optional": True}}
    (body,) = read(TICKETS, resource="tickets", mapping=mapping).bodies
    assert "attributes" not in body


def test_a_field_that_all_need_cannot_rest_on_a_column_that_is_missing(read):
    mapping = {**TICKET, "agents": {"column": "squad", "optional": True}}
    with pytest.raises(MaestroQADataError, match="there is no column for agents"):
        read(TICKETS, resource="tickets", mapping=mapping)


def test_an_exact_name_wins_over_one_in_other_case(read):
    content = b"ID,id,team,score,again,who\nwrong,right,t,1,1,a\n"
    (body,) = read(content, resource="tickets", mapping=TICKET).bodies
    assert body["ticket_id"] == "right"


def test_names_that_differ_only_in_case_cannot_be_told_apart(read):
    content = b"ID,Id,team,score,again,who\na,b,t,1,1,a\n"
    with pytest.raises(MaestroQADataError, match="the column 'id', of which there are 2"):
        read(content, resource="tickets", mapping=TICKET)


def test_a_long_list_of_columns_is_cut(read):
    header = ",".join(f"c{number}" for number in range(200)).encode()
    with pytest.raises(MaestroQADataError, match=r"'c29' and 170 more\."):
        read(header + b"\n", resource="tickets", mapping=TICKET)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../etc/passwd", 7, "/etc/localtime"])
def test_a_time_zone_must_be_one(read, metric, zone):
    with pytest.raises(MaestroQAConfigError, match="timezone must be the name of a time zone such as 'UTC'"):
        read(metric[0], timezone=zone)


def test_times_without_a_zone_are_read_in_the_one_that_is_named(read, metric):
    header, line, sent = metric
    content = header + line.replace(b"2026-01-31T00:00:00Z", b"2026-01-31 01:00:00")
    assert read(content, timezone="Europe/Berlin").bodies == [sent]
    (problem,) = read(content).errors.values()
    assert problem.startswith("timestamp has no time zone; ")


def test_all_that_is_wrong_with_the_cells_of_a_row_is_told(read, metric):
    header, line, _ = metric
    (problem,) = read(header + line.replace(b"85.5", b"high").replace(b"Z\n", b"\n")).errors.values()
    assert "metric_value must be a number" in problem
    assert "timestamp has no time zone" in problem
