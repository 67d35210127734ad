from __future__ import annotations

import json

import pytest
from airflow_fixtures import task_context

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError, MaestroQADataError, MaestroQAError
from airflow_provider_maestroqa.runtime.retry_state import RetryState

ARGUMENTS = {"export_type": "raw", "start": "2026-01-01T00:00:00Z"}


@pytest.fixture(params=["folder", "plain path", "s3"])
def state_path(request, tmp_path, s3):
    return {
        "folder": f"file://{tmp_path}/deep/er/state.json",
        "plain path": f"{tmp_path}/state.json",
        "s3": "s3://my-data-lake/state/task.json",
    }[request.param]


def memory(state_path=None, *, context=None, arguments=ARGUMENTS):
    return RetryState(context or {}, key="export", arguments=arguments, state_path=state_path)


def test_what_is_kept_is_recalled_by_the_next_try_and_forgotten_on_demand(state_path):
    assert memory(state_path).load() is None
    memory(state_path).save({"export_id": "e1"})
    memory(state_path).save({"export_id": "e2"})
    assert memory(state_path).load() == {"export_id": "e2"}
    memory(state_path).clear()
    assert memory(state_path).load() is None
    memory(state_path).clear()


def test_it_is_bound_to_its_arguments(state_path):
    memory(state_path).save({"export_id": "e1"})
    assert memory(state_path, arguments={**ARGUMENTS, "start": "2026-01-02T00:00:00Z"}).load() is None


def test_a_path_given_wins_over_airflows_store(state_path, task_state_store):
    context = {"task_state_store": task_state_store}
    memory(state_path, context=context).save({"export_id": "e1"})
    assert task_state_store.values == {}
    assert memory(context=context).load() is None


def test_airflows_store_is_used_where_there_is_one(task_state_store):
    context = {"task_state_store": task_state_store}
    kept = memory(context=context)
    assert kept.is_persistent
    kept.save({"export_id": "e1"})
    assert memory(context=context).load() == {"export_id": "e1"}
    kept.clear()
    assert task_state_store.values == {}


def test_without_either_nothing_lasts_and_nothing_breaks():
    nowhere = memory()
    nowhere.save({"export_id": "e1"})
    nowhere.clear()
    assert (nowhere.is_persistent, nowhere.load()) == (False, None)


def test_each_mapped_instance_has_an_object_of_its_own(tmp_path):
    for index in (-1, 0, 1):
        context = task_context(map_index=index)
        memory(f"{tmp_path}/state.json", context=context).save({"index": index})
    found = {path.name: json.loads(path.read_text())["value"]["index"] for path in tmp_path.iterdir()}
    assert found == {"state.json": -1, "state.json.0": 0, "state.json.1": 1}


@pytest.mark.parametrize("content", [b"", b"precious", b"[]", b'{"mine": 1}', b"\xff\xfe"])
def test_an_object_that_is_something_else_is_left_alone(tmp_path, content):
    (tmp_path / "state.json").write_bytes(content)
    with pytest.raises(MaestroQADataError, match=r"state\.json"):
        memory(f"{tmp_path}/state.json").load()
    assert (tmp_path / "state.json").read_bytes() == content


@pytest.mark.parametrize("state_path", ["state.json", "s3://bucket", "s3://bucket/", "martian://b/state.json", 7])
def test_a_path_that_names_no_object_is_refused(state_path):
    with pytest.raises(MaestroQAConfigError):
        memory(state_path)


def test_a_storage_that_refuses_is_an_error_before_anything_is_asked_for(s3):
    with pytest.raises(MaestroQAError, match="no-such-bucket"):
        memory("s3://no-such-bucket/state.json").save({"asked": True})


def test_a_path_may_hold_what_parts_a_web_address(tmp_path):
    path = tmp_path / "100% #1?" / "state.json"
    memory = RetryState({}, key="push", arguments={}, state_path=path.as_posix())
    memory.save({"done": 1})
    assert path.exists()
    assert memory.load() == {"done": 1}


def test_what_was_kept_for_other_arguments_can_be_an_error(task_state_store):
    context = {"task_state_store": task_state_store}
    RetryState(context, key="push", arguments={"resource": "comments"}).save({"done": 1})
    other = RetryState(context, key="push", arguments={"resource": "tickets"}, exclusive=True)
    with pytest.raises(MaestroQADataError, match=r"for other arguments of this task.*delete the key maestroqa_push"):
        other.load()
