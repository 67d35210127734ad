from __future__ import annotations

import asyncio
import time

import pytest

from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook
from airflow_provider_maestroqa.triggers.exports import MaestroQAExportTrigger

GET = "/api/v1/get-export-data"


@pytest.fixture
def export_id(connection, sandbox):
    with MaestroQAHook() as hook:
        return hook.request_groups_export()


def trigger(export_id, **changes):
    return MaestroQAExportTrigger(
        **{"export_id": export_id, "poll_interval": 0.05, "deadline": time.time() + 60, **changes}
    )


async def events(trigger):
    return [event.payload async for event in trigger.run()]


def test_it_fires_one_event_without_a_url(export_id):
    assert asyncio.run(events(trigger(export_id))) == [
        {
            "status": "complete",
            "export_id": export_id,
            "has_data": True,
            "message": f"Export {export_id} is complete.",
        }
    ]


def test_it_sleeps_before_its_first_poll(export_id, sandbox, mocker):
    slept = mocker.patch("asyncio.sleep", side_effect=asyncio.CancelledError)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(events(trigger(export_id, poll_interval=30)))
    assert 27 <= slept.call_args.args[0] <= 33
    assert sandbox.count("GET", GET) == 0


def test_a_restart_after_the_deadline_polls_once_before_it_gives_up(export_id, sandbox):
    first, second = (asyncio.run(events(trigger(export_id, deadline=time.time() - 5)))[0] for _ in range(2))
    assert first["status"] == "timeout"
    assert sandbox.count("GET", GET) == 2
    assert second["status"] in ("timeout", "complete")
    assert asyncio.run(events(trigger(export_id, deadline=time.time() - 5)))[0]["status"] == "complete"


def test_cancelling_ends_it_at_once(export_id, sandbox):
    async def cancelled():
        sandbox.fault(kind="never", export_id=export_id, times=None)
        task = asyncio.create_task(events(trigger(export_id, poll_interval=60)))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())


def test_many_waits_share_one_loop(connection, sandbox):
    with MaestroQAHook() as hook:
        ids = [hook.request_groups_export() for _ in range(20)]

    async def all_of_them():
        return await asyncio.gather(*(events(trigger(export_id)) for export_id in ids))

    ended = asyncio.run(all_of_them())
    assert [[event["export_id"] for event in of_one] for of_one in ended] == [[export_id] for export_id in ids]


def test_serialize_gives_back_what_init_takes(export_id):
    made = trigger(export_id, poll_interval=7, deadline=1234.5, maestroqa_conn_id="other")
    path, arguments = made.serialize()
    assert path == "airflow_provider_maestroqa.triggers.exports.MaestroQAExportTrigger"
    assert MaestroQAExportTrigger(**arguments).serialize() == (path, arguments)


def test_a_wait_masks_the_token_in_the_triggerer_and_no_url_which_would_pile_up(export_id, sandbox, mocker):
    masked = mocker.patch("airflow_provider_maestroqa._compat.amask_secret")
    assert asyncio.run(events(trigger(export_id)))[0]["has_data"] is True
    assert {call.args for call in masked.call_args_list} == {(sandbox.token,)}
