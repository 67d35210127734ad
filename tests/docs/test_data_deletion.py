"""Each row of the table of data-deletion.md that names a fault is run with that fault."""

from __future__ import annotations

from dataclasses import replace

import pytest
from airflow_fixtures import task_context
from clocks import SkippingTime

from airflow_provider_maestroqa._compat import AirflowFailException
from airflow_provider_maestroqa.client.errors import MaestroQAError
from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook
from airflow_provider_maestroqa.operators.data_deletion import MaestroQADeleteCustomerDataOperator
from airflow_provider_maestroqa.sandbox.faults import fault_from_text

PAGE = "docs/data-deletion.md"
EMAILS = [f"c-{number}@example.com" for number in range(7)]


def test_every_fault_of_the_table_ends_as_it_says(table, connection, sandbox, monkeypatch, tmp_path):
    monkeypatch.setattr(MaestroQAHook, "clock", SkippingTime().clock())
    rows = {fault.strip("`"): says for fault, says in table(PAGE, "What happens").values() if fault}
    assert len(rows) == 7
    previous = ""
    for text, says in rows.items():
        sandbox.reset()
        fault = fault_from_text(text)
        # On the deletion itself, unless it says otherwise.
        path = fault.path if "path=" in text else "/api/v1/data-deletion-request"
        sandbox.fault(replace(fault, path=path))
        task = MaestroQADeleteCustomerDataOperator(
            task_id="delete",
            emails=EMAILS,
            confirm=True,
            timeout=3600,
            state_path=str(tmp_path / f"{path.count('/')}{fault.kind}{fault.status}.json"),
        )
        try:
            assert task.execute(task_context())["status"] == "completed"
            outcome = "continues"
        except AirflowFailException:
            outcome = "fails for good"
        except MaestroQAError as error:
            outcome = "fails, Airflow retries" if error.retryable else "fails in a way that the page does not know"
        says = previous if says == "the same" else says
        assert f"**{outcome}**" in says, text
        previous = says


def test_the_columns_of_the_table_of_requests_are_those_of_the_example(read):
    assert all(f"`{name}`" in read(PAGE) for name in ("email", "run_id", "deleted_at"))


@pytest.mark.parametrize("shown", ["*** (not shown)"])
def test_what_airflow_stores_in_their_stead_is_what_the_page_shows(read, shown):
    task = MaestroQADeleteCustomerDataOperator(task_id="delete", emails=EMAILS)
    assert str(task.emails) == shown
    assert f"`{shown}`" in read(PAGE)
