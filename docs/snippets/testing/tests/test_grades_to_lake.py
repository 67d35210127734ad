# [START content]
import csv
from datetime import datetime, timedelta, timezone

import pytest

NIGHT = datetime(2026, 3, 2, tzinfo=timezone.utc)


def test_what_lands_is_the_day_before_and_complete(maestroqa_sandbox, maestroqa_run_dag, lake):
    run = maestroqa_run_dag("grades_to_lake", logical_date=NIGHT)

    export = maestroqa_sandbox.exports[run.returned["request"]]
    assert export.parameters["startDate"] == "2026-03-01T00:00:00Z"
    assert export.parameters["endDate"] == "2026-03-02T00:00:00Z"
    with (lake / "grades" / "total_scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == export.files["total_scores.csv"].rows
    # [END content]


# [START options]
@pytest.mark.maestroqa_sandbox(rows=3, polls=1)
def test_a_small_export_that_is_not_ready_at_once(maestroqa_sandbox, maestroqa_run_dag, lake):
    run = maestroqa_run_dag("grades_to_lake", task_arguments={"poll_interval": 0.1})

    assert run.state == "success"
    assert maestroqa_sandbox.exports[run.returned["request"]].polls >= 2
    # [END options]


# [START faults]
def test_the_download_goes_on_where_it_broke_off(maestroqa_sandbox, maestroqa_run_dag, lake):
    maestroqa_sandbox.fault("drop_at_byte", at=1000)

    assert maestroqa_run_dag("grades_to_lake").state == "success"


@pytest.mark.parametrize("fault", [{"kind": "rate_limited"}, {"kind": "status", "status": 502}])
def test_waiting_goes_on_though_maestroqa_stumbles(maestroqa_sandbox, maestroqa_run_dag, lake, fault):
    maestroqa_sandbox.fault(**fault, path="/api/v1/get-export-data")

    assert maestroqa_run_dag("grades_to_lake", task_arguments={"poll_interval": 0.1}).state == "success"


def test_a_file_that_was_cut_short_is_fetched_again_by_a_retry(maestroqa_sandbox, maestroqa_run_dag, lake):
    maestroqa_sandbox.fault("truncated")

    at_once = {"retries": 1, "retry_delay": timedelta(0)}
    assert maestroqa_run_dag("grades_to_lake", task_arguments=at_once).state == "success"


def test_an_export_that_fails_lands_nothing(maestroqa_sandbox, maestroqa_run_dag, lake):
    maestroqa_sandbox.fault("errored")

    run = maestroqa_run_dag("grades_to_lake")

    assert run.tasks == {"request": "failed", "land": "upstream_failed"}
    assert list(lake.iterdir()) == []
    # [END faults]


# [START once]
def test_one_try_requests_one_export_though_the_response_is_lost(maestroqa_sandbox, maestroqa_run_dag, lake):
    maestroqa_sandbox.fault("reset_after", method="POST")

    run = maestroqa_run_dag("grades_to_lake", task_arguments={"retries": 0})

    assert run.tasks["request"] == "failed"
    assert maestroqa_sandbox.count("POST", "/api/v1/request-raw-export") == 1
