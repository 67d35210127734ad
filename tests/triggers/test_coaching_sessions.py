"""The watcher on new coaching sessions, run against the sandbox."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import aclosing, suppress
from datetime import datetime, timezone

import pytest
from raw_server import RawServer, respond

from airflow_provider_maestroqa import _compat
from airflow_provider_maestroqa.client.clock import Clock
from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook
from airflow_provider_maestroqa.sandbox import Sandbox
from airflow_provider_maestroqa.triggers.coaching_sessions import MaestroQACoachingSessionTrigger

PATH = "/api/v1/coaching-sessions"
SINCE = "2027-06-01T00:00:00Z"
on_3 = pytest.mark.skipif(not _compat.has_asset_watchers(), reason="asset watchers came with Airflow 3")
pytestmark = pytest.mark.usefixtures("connection")


@pytest.fixture(autouse=True)
def impatient(mocker):
    """Looks that are a moment apart, not minutes."""
    mocker.patch("airflow_provider_maestroqa.client.resources.coaching_watch.MIN_PAUSE_S", 0.01)
    mocker.patch("airflow_provider_maestroqa.client.resources.coaching_watch._MAX_PAUSE_S", 0.05)


@pytest.fixture(autouse=True)
def later(monkeypatch):
    """It is a day after the sessions; time passes as usual."""
    ahead = datetime(2027, 6, 2, tzinfo=timezone.utc).timestamp() - time.time()
    monkeypatch.setattr(MaestroQAHook, "clock", Clock(wall=lambda: time.time() + ahead))


@pytest.fixture
def make_session(sandbox):
    def make(minute, **fields):
        return sandbox.add_coaching_session(createdAt=f"2027-06-01T00:{minute:02d}:00.000Z", **fields)

    return make


def watch(do_before, store=None, **arguments):
    """Run a trigger; before each look for an event something happens. The events."""
    trigger = MaestroQACoachingSessionTrigger(**{"poll_interval": 0.01, "since": SINCE, **arguments})
    trigger.asset_state_store = store

    async def collect():
        events = []
        async with aclosing(trigger.run()) as running:
            for do in do_before:
                await asyncio.to_thread(do)
                events.append((await asyncio.wait_for(running.__anext__(), 10)).payload)
        return events

    return asyncio.run(collect())


@on_3
def test_new_sessions_are_one_event_with_count_and_times(sandbox, make_session):
    def some():
        for minute in (1, 2, 3):
            make_session(minute)

    assert watch([some, lambda: make_session(5)]) == [
        {
            "status": "new",
            "resource": "coaching_sessions",
            "count": 3,
            "since": "2027-06-01T00:00:00Z",
            "until": "2027-06-01T00:03:00Z",
        },
        {
            "status": "new",
            "resource": "coaching_sessions",
            "count": 1,
            "since": "2027-06-01T00:03:00Z",
            "until": "2027-06-01T00:05:00Z",
        },
    ]


@on_3
def test_an_event_holds_no_content_and_no_secret(sandbox, make_session):
    events = watch([lambda: make_session(1, coachNotes="between us", agentName="Ada")])
    text = json.dumps(events)
    assert "between us" not in text
    assert "Ada" not in text
    assert sandbox.token not in text


@on_3
def test_without_since_only_what_comes_after_the_start_is_new(connect):
    def later():
        empty.wait_for(lambda: empty.count("GET", PATH))
        empty.add_coaching_session(createdAt="2031-01-01T00:00:00.000Z")

    trigger = MaestroQACoachingSessionTrigger(poll_interval=0.01)

    async def first():
        async with aclosing(trigger.run()) as running:
            waiting = asyncio.ensure_future(running.__anext__())
            await asyncio.to_thread(later)
            return (await asyncio.wait_for(waiting, 10)).payload

    with Sandbox(limits={}, coaching_sessions=0) as empty:
        connect(host=empty.url)
        empty.add_coaching_session(createdAt="2026-02-01T00:00:00.000Z")
        event = asyncio.run(first())
    assert (event["count"], event["until"]) == (1, "2031-01-01T00:00:00Z")
    assert event["since"].startswith("2027-06-02T00:")


@on_3
def test_filters_are_sent(sandbox, make_session):
    def two():
        make_session(1, agentId="agent-5")
        make_session(2, agentId="agent-6")

    (event,) = watch([two], agent_id="agent-6")
    assert event["count"] == 1
    assert sandbox.requests[0].query["agentId"] == "agent-6"


@on_3
@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 503},
        {"kind": "status", "status": 401},
        {"kind": "reset_before"},
        {"kind": "html"},
        {"kind": "status", "status": 200, "body": {"no": "page"}},
    ],
    ids=lambda fault: "-".join(map(str, fault.values())),
)
def test_a_failure_does_not_end_it(sandbox, make_session, mocker, fault):
    mocker.patch("airflow_provider_maestroqa.client.resources.pagination.PAUSES_S", (0, 0))
    make_session(1)
    sandbox.fault(**fault, path=PATH, times=3)
    (event,) = watch([lambda: None])
    assert event["count"] == 1


@on_3
def test_a_poll_is_one_request_when_there_is_nothing_new(sandbox, make_session):
    def quiet():
        seen = sandbox.count("GET", PATH)
        sandbox.wait_for(lambda: sandbox.count("GET", PATH) >= seen + 5)
        make_session(9)

    trigger = MaestroQACoachingSessionTrigger(poll_interval=0.01, since=SINCE)

    async def first():
        async with aclosing(trigger.run()) as running:
            waiting = asyncio.ensure_future(running.__anext__())
            await asyncio.to_thread(quiet)
            return (await asyncio.wait_for(waiting, 10)).payload

    assert asyncio.run(first())["count"] == 1
    assert all(seen.query["startIndex"] == "0" for seen in sandbox.requests)


@on_3
def test_many_new_sessions_are_paged_through(sandbox, make_session):
    def many():
        for number in range(230):
            make_session(1 + number % 59)

    assert watch([many])[0]["count"] == 230


class Store:
    """Stands in for the state store of the watched asset."""

    def __init__(self, problem=None):
        self.values = {}
        self.problem = problem

    def get(self, key, default=None):
        if self.problem:
            raise self.problem
        return self.values.get(key, default)

    def set(self, key, value):
        if self.problem:
            raise self.problem
        self.values[key] = value


class AsyncStore(Store):
    """As Airflow 3.3.2 and newer have it."""

    async def aget(self, key, default=None):
        return self.get(key, default)

    async def aset(self, key, value):
        self.set(key, value)


@on_3
@pytest.mark.parametrize("kind", [Store, AsyncStore])
def test_a_restarted_triggerer_resumes_from_the_newest_session(sandbox, make_session, kind):
    store = kind()
    watch([lambda: make_session(1), lambda: make_session(3)], store)
    # The second event was not yet taken when the triggerer ended, so it is fired again.
    assert list(store.values.values()) == ["2027-06-01T00:01:00Z"]
    (event,) = watch([lambda: make_session(7)], store, since=None)
    assert (event["since"], event["count"]) == ("2027-06-01T00:01:00Z", 2)


@on_3
def test_a_session_that_is_dated_ahead_hides_none_that_comes_after_it(sandbox, make_session):
    def ahead():
        sandbox.add_coaching_session(createdAt="9999-12-31T23:59:59.000Z")

    def soon():
        sandbox.add_coaching_session(createdAt="2027-06-02T00:00:00.000Z")

    store = Store()
    events = watch([ahead, soon, soon], store)
    assert [event["count"] for event in events] == [1, 1, 1]
    assert events[0]["until"] == "9999-12-31T23:59:59Z"
    assert store.values["maestroqa_newest_coaching_session"].startswith("2027-06-02T00:0")


@on_3
@pytest.mark.parametrize("saved", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00+23:00", "damaged"])
def test_a_saved_position_that_cannot_be_is_not_believed(sandbox, saved):
    store = Store()
    store.values["maestroqa_newest_coaching_session"] = saved
    (event,) = watch([lambda: sandbox.add_coaching_session(createdAt="2027-06-03T00:00:00.000Z")], store)
    assert event["count"] == 1


PAGE = b'{"Resources": [{"id": %s, "createdAt": "%s"}], "totalResults": 1}'
ODD = {
    "nested": b"[" * 100_000,
    "year 1": PAGE % (b'"a"', b"0001-01-01T00:00:00+05:00"),
    "year 9999": PAGE % (b'"a"', b"9999-12-31T23:59:59-05:00"),
    "digits": PAGE % (b"1" * 5_000, b"x"),
    "digits of a total": b'{"Resources": [], "totalResults": "1' + b"0" * 5_000 + b'"}',
    "surrogates": PAGE % (rb'"\ud800"', rb"\udfff"),
}


@on_3
@pytest.mark.parametrize("case", ODD)
def test_nothing_that_a_server_sends_ends_it(connect, mocker, case):
    mocker.patch("airflow_provider_maestroqa.client.resources.pagination.PAUSES_S", (0, 0))
    mocker.patch("airflow_provider_maestroqa.client.budget.Budget.pause_async", mocker.AsyncMock())
    late = respond(b"{}", status="429 Wait", Retry_After="Fri, 01 Jan 99999999999 00:00:00 GMT")
    answers = iter([late, respond(ODD[case]), respond(ODD[case])])
    page = respond(PAGE % (b'"z"', b"2027-06-01T00:05:00Z"))
    with RawServer(lambda _: next(answers, page)) as server:
        connect(host=server.url)
        events = watch([lambda: None])
    assert events[0]["count"] == 1


@on_3
def test_an_error_of_another_library_does_not_end_it(sandbox, make_session, monkeypatch):
    make_session(1)
    aclient, failures = MaestroQAHook.aclient, [ZeroDivisionError("secret")]

    async def broken(hook):
        if failures:
            raise failures.pop()
        return await aclient(hook)

    monkeypatch.setattr(MaestroQAHook, "aclient", broken)
    assert watch([lambda: None])[0]["count"] == 1


@on_3
def test_a_store_of_several_assets_is_done_without(sandbox, make_session):
    events = watch([lambda: make_session(1), lambda: make_session(2)], Store(ValueError("2 concrete inlets")))
    assert [event["count"] for event in events] == [1, 1]


@on_3
@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"since": "2026-01-01"}, "since=.* has no time zone"),
        ({"agent_id": ""}, "agent_id must be text that is not empty"),
        ({"poll_interval": "often"}, "poll_interval must be a number of seconds"),
    ],
)
def test_a_wrong_argument_ends_it_at_once(sandbox, arguments, named):
    with pytest.raises(MaestroQAConfigError, match=named):
        watch([lambda: None], **arguments)
    assert sandbox.requests == []


@on_3
def test_it_is_cancelled_at_once(sandbox):
    async def cancelled():
        trigger = MaestroQACoachingSessionTrigger(poll_interval=0.01, since=SINCE)
        task = asyncio.ensure_future(trigger.run().__anext__())
        await asyncio.to_thread(sandbox.wait_for, lambda: sandbox.count("GET", PATH))
        task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.wait_for(task, 5)
        return task.cancelled()

    assert asyncio.run(cancelled())


@on_3
def test_airflow_takes_it_for_the_trigger_of_a_watcher():
    from airflow.sdk import Asset, AssetWatcher

    trigger = MaestroQACoachingSessionTrigger(agent_id="agent-1")
    asset = Asset("sessions", watchers=[AssetWatcher(name="new", trigger=trigger)])
    assert asset.watchers[0].trigger is trigger
    assert isinstance(trigger, _compat.BaseEventTrigger)
    assert type(trigger).hash(*trigger.serialize()) == type(trigger).hash(*trigger.serialize())


@pytest.mark.skipif(_compat.has_asset_watchers(), reason="Airflow 2 has no asset watchers")
def test_on_airflow_2_it_explains_itself(sandbox):
    with pytest.raises(MaestroQAConfigError, match=r"needs Airflow 3\. On Airflow 2 schedule the DAG by time"):
        watch([lambda: None])
    assert sandbox.requests == []
