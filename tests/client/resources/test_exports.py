from __future__ import annotations

import pytest

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.client.resources.exports import (
    Export,
    checked_export_id,
    export_parameters,
    read_export_id,
)

DAY = {"start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z"}


def test_a_raw_export_travels_under_the_apis_names():
    parameters = export_parameters(
        "raw",
        **DAY,
        export_name="nightly",
        single_file_export="csat",
        include_calibrations="only",
        include_grader_qa=True,
        include_deleted="false",
        include_unavailable=None,
    )
    assert parameters == {
        "startDate": "2026-01-01T00:00:00Z",
        "endDate": "2026-01-02T00:00:00Z",
        "name": "nightly",
        "singleFileExport": "csat",
        "includeCalibrations": "only",
        "includeGraderQA": True,
        "includeDeleted": False,
    }


def test_a_groups_export_needs_nothing():
    assert export_parameters("groups") == {}


@pytest.mark.parametrize(
    ("export_type", "arguments", "named"),
    [
        ("weekly", {}, "export_type must be one of raw, groups, audit_log"),
        (["raw"], {}, "export_type must be one of"),
        ("raw", {}, "start is missing"),
        ("raw", {"start": DAY["start"]}, "end is missing"),
        ("audit_log", {"start": DAY["end"], "end": DAY["start"]}, "must be before its end.* Swap them"),
        ("raw", {"start": DAY["start"], "end": DAY["start"]}, "are the same time .* Pass a later end"),
        ("groups", DAY, "has no window"),
        ("raw", {**DAY, "single_file_export": "scores"}, "single_file_export must be one of total_scores"),
        ("raw", {**DAY, "include_calibrations": True}, "include_calibrations must be one of all, none, only"),
        ("raw", {**DAY, "include_deleted": "yes"}, "include_deleted must be True or False"),
        ("raw", {**DAY, "include_grader_qa": 1}, "include_grader_qa must be True or False"),
        ("raw", {**DAY, "export_name": " "}, "export_name must be text"),
        ("raw", {**DAY, "include_unavailable": True}, "include_unavailable is not an option of a raw export"),
        ("audit_log", {**DAY, "include_deleted": True}, "It takes: export_name"),
    ],
)
def test_a_wrong_argument_is_named_with_its_remedy(export_type, arguments, named):
    with pytest.raises(MaestroQAConfigError, match=named):
        export_parameters(export_type, **arguments)


@pytest.mark.parametrize(
    ("answer", "complete", "failed", "known", "has_data"),
    [
        ({"status": "requested", "dataUrl": ""}, False, False, True, False),
        ({"status": "in_progress"}, False, False, True, False),
        ({"status": "complete", "dataUrl": "https://s/x?sig"}, True, False, True, True),
        ({"status": "completed", "dataUrl": "https://s/x?sig", "more": 1}, True, False, True, True),
        ({"status": "complete", "dataUrl": ""}, True, False, True, False),
        ({"status": "complete", "dataUrl": None}, True, False, True, False),
        ({"status": "errored"}, False, True, True, False),
        ({"status": "archiving", "dataUrl": "https://s/x"}, False, False, False, False),
        ({"status": 7}, False, False, False, False),
        ([], False, False, False, False),
    ],
)
def test_a_response_is_read_tolerantly(answer, complete, failed, known, has_data):
    export = Export.from_response("e1", answer)
    assert (export.is_complete, export.is_failed, export.is_known, export.has_data) == (
        complete,
        failed,
        known,
        has_data,
    )


def test_the_url_of_an_export_is_not_in_its_repr():
    assert "sig" not in repr(Export("e1", "complete", "https://storage/x?sig=abc"))


@pytest.mark.parametrize(
    ("response", "export_id"),
    [
        ({"exportId": "e-1"}, "e-1"),
        ({"exportId": 5071}, "5071"),
        ({"exportId": ""}, None),
        ({"exportId": True}, None),
        ([], None),
    ],
)
def test_the_id_of_a_requested_export_may_be_a_number(response, export_id):
    assert read_export_id(response) == export_id
    if export_id is not None:
        assert checked_export_id(response["exportId"]) == export_id
