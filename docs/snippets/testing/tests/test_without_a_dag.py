import pytest

from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook


def oldest_todo(conn_id):
    with MaestroQAHook(conn_id) as hook:
        return next(iter(hook.list_todos()), None)


@pytest.mark.maestroqa_sandbox(todos=3, conn_id="maestroqa_emea")
def test_the_oldest_todo_is_found(maestroqa_sandbox):
    assert oldest_todo("maestroqa_emea")["id"] == maestroqa_sandbox.todos[0]["id"]
