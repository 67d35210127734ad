"""What Airflow keeps and shows of a task's arguments: readable, bounded, and read by nobody before their time."""

from __future__ import annotations

import importlib
import json
from datetime import datetime, timezone

import pytest
from airflow import DAG
from airflow.serialization import serialized_objects
from factories import ticket

from airflow_provider_maestroqa import _compat
from airflow_provider_maestroqa.operators.comments import MaestroQACreateCommentsOperator
from airflow_provider_maestroqa.operators.tickets import MaestroQAUpdateTicketOperator, MaestroQAUpsertTicketsOperator
from airflow_provider_maestroqa.transfers.records_to_object_storage import MaestroQARecordsToObjectStorageOperator
from airflow_provider_maestroqa.transfers.sql_to_maestroqa import SqlToMaestroQAOperator

CONTEXT = {"ds": "2026-03-01", "run_id": "manual__1", "params": {"team": "Berlin"}}
#: What Airflow keeps of one argument, with the words that say so.
MOST = 4096 + 200


def in_dag(make):
    with DAG(dag_id="d", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)) as dag:
        task = make()
    return dag, task


def serialized(dag):
    made = getattr(serialized_objects, "DagSerialization", None) or serialized_objects.SerializedDAG
    return json.dumps(made.to_dict(dag))


def rendered(task):
    """The fields as Airflow keeps them for its UI when the task begins."""
    task.render_template_fields(CONTEXT)
    try:
        from airflow.sdk.execution_time.task_runner import _serialize_rendered_fields
    except ImportError:  # before Airflow 3.1 each field by itself
        from airflow.serialization.helpers import serialize_template_field

        return {name: serialize_template_field(getattr(task, name), name) for name in task.template_fields}
    return _serialize_rendered_fields(task)


def masked(kept):
    """The fields as they are written down: before Airflow 3.1 they are masked only then."""
    if importlib.util.find_spec("airflow.sdk") is None:
        from airflow.utils.log.secrets_masker import redact
    elif _compat._airflow_version() < (3, 1):
        from airflow.sdk.execution_time.secrets_masker import redact
    else:
        return kept
    return redact(kept)


class Counted:
    """Records that notice when somebody begins to read them."""

    def __init__(self, records):
        self.records = records
        self.readings = 0

    def __iter__(self):
        self.readings += 1
        return iter(self.records)

    def __repr__(self):
        return "the records of the helpdesk"


def test_values_keep_their_shape_and_templates_in_them_are_filled_in():
    _, task = in_dag(
        lambda: MaestroQAUpdateTicketOperator(
            task_id="t",
            ticket_id="T-{{ ds }}",
            changes={"subject": "On {{ ds }}", "tags": ["{{ params.team }}", "late"]},
        )
    )
    assert rendered(task) == {
        "ticket_id": "T-2026-03-01",
        "changes": {"subject": "On 2026-03-01", "tags": ["Berlin", "late"]},
        "maestroqa_conn_id": "maestroqa_default",
    }


def test_a_query_keeps_its_lines_and_its_values_stay_apart_from_it():
    query = "SELECT *\nFROM metrics\nWHERE day = :day AND team = :team\n"
    _, task = in_dag(
        lambda: SqlToMaestroQAOperator(
            task_id="t",
            sql=query,
            sql_conn_id="warehouse",
            resource="ticket_metrics",
            parameters={"day": "{{ ds }}", "team": "{{ params.team }}"},
            mapping={"ticket_id": "id", "source_id": {"value": "helpdesk"}},
        )
    )
    kept = rendered(task)
    assert kept["sql"].splitlines() == query.splitlines()
    assert kept["parameters"] == {"day": "2026-03-01", "team": "Berlin"}
    assert kept["mapping"] == {"ticket_id": "id", "source_id": {"value": "helpdesk"}}


def test_a_window_of_aware_datetimes_is_shown_as_people_write_it():
    start = datetime(2026, 3, 1, tzinfo=timezone.utc)
    _, task = in_dag(
        lambda: MaestroQARecordsToObjectStorageOperator(
            task_id="t",
            resource="todos",
            destination="file:///tmp/x/{{ ds }}",
            start=start,
            filters={"agent_id": "a"},
        )
    )
    kept = rendered(task)
    assert kept["start"] == "2026-03-01 00:00:00+00:00"
    assert kept["destination"] == "file:///tmp/x/2026-03-01"
    assert kept["filters"] == {"agent_id": "a"}


def test_a_long_list_floods_neither_the_dag_nor_the_rendered_view():
    records = [{"ticket_id": number, "type": 1, "subject": number} for number in range(5_000)]
    dag, task = in_dag(lambda: MaestroQAUpsertTicketsOperator(task_id="t", tickets=records))
    assert len(serialized(dag)) < 2 * MOST
    kept = rendered(task)["tickets"]
    assert len(str(kept)) <= MOST
    assert str(kept).startswith("Truncated.")
    assert len(task.tickets) == 5_000


@pytest.mark.parametrize("collected", ["{{ ds }}", "fail"])
def test_a_lazy_iterable_is_read_by_nobody_but_the_push(collected):
    records = Counted([{"ticket_id": "T-1", "subject": "{{ ds }} stays as it is"}])
    dag, task = in_dag(lambda: MaestroQAUpsertTicketsOperator(task_id="t", tickets=records, rejects_path=collected))
    text = serialized(dag)
    assert text == serialized(dag)
    assert "the records of the helpdesk" in text
    assert rendered(task)["tickets"] == "the records of the helpdesk"
    assert records.readings == 0
    assert list(task.tickets) == records.records


def test_a_generator_is_read_by_nobody_but_the_push():
    begun = []

    def generate():
        begun.append(True)
        yield {"ticket_id": "T-1", "body": "B"}

    records = generate()
    dag, task = in_dag(lambda: MaestroQACreateCommentsOperator(task_id="t", comments=records))
    serialized(dag)
    rendered(task)
    assert begun == []
    assert list(task.comments) == [{"ticket_id": "T-1", "body": "B"}]


def test_a_callable_is_called_once_and_what_it_gives_is_not_read(connection, sandbox):
    given = Counted([ticket("T-1", subject="{{ ds }}")])
    calls = []

    def read(context, jinja_env):
        calls.append(sorted(context))
        return given

    dag, task = in_dag(lambda: MaestroQAUpsertTicketsOperator(task_id="t", tickets=read))
    serialized(dag)
    assert calls == []
    kept = rendered(task)["tickets"]
    assert "read" in kept or kept == "the records of the helpdesk"
    assert given.readings == 0
    report = task.execute({})
    assert len(calls) == 1
    assert report["confirmed"] == 1
    # What a callable gives is data, not a template.
    assert sandbox.tickets["T-1"]["subject"] == "{{ ds }}"


def test_a_masked_secret_in_a_record_is_not_kept(monkeypatch):
    from airflow_provider_maestroqa._compat import mask_secret

    mask_secret("hunter2-hunter2")
    changes = {"subject": "my password is hunter2-hunter2"}
    _, task = in_dag(lambda: MaestroQAUpdateTicketOperator(task_id="t", ticket_id="T-1", changes=changes))
    assert "hunter2" not in str(masked(rendered(task)))
    assert task.changes == changes


def test_airflow_2_shows_records_as_indented_json():
    views = pytest.importorskip("airflow.www.utils", reason="Airflow 3 has its UI in the browser")
    show = views.get_attr_renderer()[MaestroQAUpsertTicketsOperator.template_fields_renderers["tickets"]]
    assert str(show([{"ticket_id": "T-1"}])).count("\n") >= 3
