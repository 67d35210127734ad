import pytest

from airflow_provider_maestroqa.sandbox import Fault
from airflow_provider_maestroqa.sandbox.faults import KINDS, fault_from_json, fault_from_text, faults_in_name


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("errored", Fault("errored")),
        ("status=503", Fault("status", status=503)),
        ("status,status=503,path=/api/v1/*,times=2", Fault("status", status=503, path="/api/v1/*", times=2)),
        ("never,times=ever", Fault("never", times=None)),
        ("drop_at_byte=1000,after=1", Fault("drop_at_byte", at=1000, after=1)),
        ("slow=0.5,at=10", Fault("slow", seconds=0.5, at=10)),
        ("timeout,done", Fault("timeout", done=True)),
        ("rate_limited=minute", Fault("rate_limited", text="minute")),
        ("reset", Fault("reset_before")),
        ("unconfirmed=3", Fault("unconfirmed", at=3)),
        ("lost,times=2", Fault("lost", times=2)),
    ],
)
def test_a_fault_can_be_written_on_a_command_line(text, fault):
    assert fault_from_text(text) == fault


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("nonsense", "no fault 'nonsense'"),
        ("nonsense=1", "no fault 'nonsense'"),
        ("errored=1", "takes no value"),
        ("drop_at_byte", "needs `at`"),
        ("status=abc", "number was expected"),
        ("status,colour=red", "no colour"),
        ("replace_file", "needs `body` or `file`"),
        ("status,host=elsewhere", "api or storage"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(text, complaint):
    with pytest.raises(ValueError, match=complaint):
        fault_from_text(text)


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        ([], "JSON object"),
        ({}, "needs a `kind`"),
        ({"kind": "status", "status": "503"}, "whole number"),
        ({"kind": "status", "times": True}, "whole number"),
        ({"kind": "status", "until": 3}, "no until"),
    ],
)
def test_json_that_is_no_fault_is_refused(data, complaint):
    with pytest.raises(ValueError, match=complaint):
        fault_from_json(data)


def test_bytes_travel_in_json_as_base64():
    assert fault_from_json({"kind": "replace_file", "body_base64": "UEsA"}).body == b"PK\x00"


def test_a_name_may_hold_several_directives():
    faults = faults_in_name("nightly fault:no_etag, fault:drop_at_byte=7", "e1")
    assert [(fault.kind, fault.at, fault.export_id) for fault in faults] == [
        ("no_etag", None, "e1"),
        ("drop_at_byte", 7, "e1"),
    ]


def test_an_ordinary_name_holds_none():
    assert faults_in_name("the default: weekly", "e1") == []


@pytest.mark.parametrize(
    ("kind", "path", "host"),
    [
        ("status", "/attachments/*", "storage"),
        ("status", "/exports/*", "storage"),
        ("status", "/api/v1/attachments", "api"),
        ("status", None, "api"),
        ("slow", None, "storage"),
    ],
)
def test_a_path_of_the_storage_is_looked_for_there(kind, path, host):
    assert Fault(kind, path=path).host == host


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_can_be_made_and_shown(kind):
    fault = Fault(kind, at=1, body="x")
    assert fault.as_json()["kind"] == kind
    assert fault.host == ("storage" if fault.family == "download" else "api")
