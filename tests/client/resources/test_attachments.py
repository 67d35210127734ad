from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.client.resources.attachments import attachment_parameters, id_for_file, id_for_url

NEEDED = {"ticket_id": "T-1", "content_type": "audio/mpeg"}


def test_what_is_given_gets_the_names_of_the_api_and_the_rest_is_left_out():
    assert attachment_parameters(**NEEDED) == NEEDED
    given = attachment_parameters(
        **NEEDED,
        url="https://example.com/call.mp3",
        attachment_id="a-1",
        author_id="agent-1",
        public="False",
        timestamp=datetime(2026, 1, 1, 1, 0, 0, 250_000, tzinfo=timezone(timedelta(hours=1))),
    )
    assert given == {
        **NEEDED,
        "url": "https://example.com/call.mp3",
        "id": "a-1",
        "author_id": "agent-1",
        "public": False,
        "timestamp": "2026-01-01T00:00:00.250Z",
    }


@pytest.mark.parametrize(
    "content_type", ["audio/mp3", "image/svg+xml", "application/vnd.ms-excel", 'text/plain; charset="utf-8"; x=y']
)
def test_a_mime_type_passes_as_it_is(content_type):
    assert attachment_parameters(ticket_id="T-1", content_type=content_type)["content_type"] == content_type


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"ticket_id": ""}, "ticket_id must be text that is not empty, got ''"),
        ({"ticket_id": "  "}, "ticket_id must be text"),
        ({"ticket_id": "None"}, "ticket_id must be text"),
        ({"ticket_id": None}, "ticket_id must be text that is not empty, got None"),
        ({"ticket_id": 1.5}, "ticket_id must be text that is not empty, got float 1.5. Pass the id as text"),
        ({"attachment_id": ""}, "attachment_id must be text"),
        ({"attachment_id": [4]}, "attachment_id must be text"),
        ({"author_id": ["a"]}, "author_id must be text"),
        ({"content_type": None}, "content_type must be a type and a subtype, got None"),
        ({"content_type": "mp3"}, "content_type must be a type and a subtype, got 'mp3'. Write it like audio/mpeg"),
        ({"content_type": "audio/"}, "content_type must be"),
        ({"content_type": "audio/mp3\r\nX-Evil: 1"}, "content_type must be"),
        ({"content_type": "audio/mp3\n"}, "content_type must be"),
        ({"content_type": "audio/mp3; charset"}, "content_type must be"),
        ({"content_type": "audio/mp\N{SUPERSCRIPT THREE}"}, "content_type must be"),
        ({"public": "yes"}, "public must be True or False, got 'yes'"),
        ({"public": 1}, "public must be True or False"),
        ({"timestamp": datetime(2026, 1, 1)}, "timestamp='2026-01-01 00:00:00' has no time zone"),
        ({"timestamp": "2026-01-01T00:00:00"}, "has no time zone"),
        ({"timestamp": "yesterday"}, "timestamp='yesterday' is no point in time"),
        ({"timestamp": 5}, "timestamp must be an aware datetime"),
        ({"url": ""}, "url must be an address"),
        ({"url": 5}, "url must be an address that begins with https:// or http://, got int"),
        ({"url": "ftp://example.com/x"}, "url must be an address"),
        ({"url": "s3://bucket/call.mp3"}, "Pass a file on this machine or in an object storage as file"),
        ({"url": "/data/call.mp3"}, "url must be an address"),
        ({"url": "https://"}, "url must be an address"),
        ({"url": "https://example.com/a b"}, "url must be an address"),
        ({"url": "https://[::1"}, "url must be an address"),
        ({"url": "https://example.com/a\n"}, "url must be an address"),
    ],
)
def test_what_cannot_be_sent_is_refused_by_name(changes, named):
    with pytest.raises(MaestroQAConfigError) as refused:
        attachment_parameters(**{**NEEDED, **changes})
    assert named in str(refused.value)


def test_an_address_that_is_refused_is_shown_without_what_may_be_secret_in_it():
    with pytest.raises(MaestroQAConfigError) as refused:
        attachment_parameters(**NEEDED, url="ftp://ann:pa55word@example.com/x?X-Amz-Signature=5ec7e7")
    assert "example.com/x" in str(refused.value)
    assert "pa55word" not in str(refused.value)
    assert "5ec7e7" not in str(refused.value)


def test_an_id_tells_apart_all_that_it_is_made_of():
    made = [
        id_for_file("T-1", "audio/mpeg", "00"),
        id_for_file("T-2", "audio/mpeg", "00"),
        id_for_file("T-1", "audio/wav", "00"),
        id_for_file("T-1", "audio/mpeg", "01"),
        id_for_file('T-1", "audio/mpeg', "", "00"),
        id_for_url("T-1", "audio/mpeg", "00"),
    ]
    assert len(set(made)) == len(made)
    # For ever: another release that made other ids would attach again what is attached.
    assert made[0] == id_for_file("T-1", "audio/mpeg", "00") == "airflow-ad4c4e61cf8513853b6297dd0af713e1790eef6b"
