from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from airflow_provider_maestroqa.client.errors import (
    MaestroQAAuthError,
    MaestroQAConfigError,
    MaestroQAConnectionError,
)
from airflow_provider_maestroqa.client.resources.coaching_watch import OVERLAP, SessionWatch

BEGAN = datetime(2026, 5, 1, tzinfo=timezone.utc)


def session(name, minutes, **more):
    created = (BEGAN + timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")
    return {"id": name, "createdAt": created, **more}


def watch(**options):
    return SessionWatch(BEGAN, poll_interval=300, **options)


def test_the_first_look_asks_from_the_beginning():
    assert watch().parameters() == {"startDate": "2026-05-01T00:00:00Z"}


def test_filters_are_asked_for_too():
    asked = watch(filters={"agent_id": "a1", "coach_id": None, "creator_id": "u1"}).parameters()
    assert asked == {"agentId": "a1", "creatorId": "u1", "startDate": "2026-05-01T00:00:00Z"}


def test_a_wrong_filter_is_refused_at_once():
    with pytest.raises(MaestroQAConfigError, match="agent_id must be text that is not empty"):
        watch(filters={"agent_id": ""})


def test_news_is_one_event_with_counts_and_times_and_no_content():
    event = watch().on_sessions([session("a", 5, coachNotes="secret"), session("b", 2)])
    assert event == {
        "status": "new",
        "resource": "coaching_sessions",
        "count": 2,
        "since": "2026-05-01T00:00:00Z",
        "until": "2026-05-01T00:05:00Z",
    }


def test_nothing_new_is_no_event():
    made = watch()
    assert made.on_sessions([]) is None
    made.on_sessions([session("a", 5)])
    assert made.on_sessions([session("a", 5)]) is None


def test_what_shows_up_late_is_news_all_the_same():
    made = watch()
    made.on_sessions([session("a", 30)])
    assert made.parameters() == {"startDate": "2026-05-01T00:20:00Z"}
    event = made.on_sessions([session("late", 25), session("a", 30)])
    assert (event["count"], event["since"], event["until"]) == (1, "2026-05-01T00:30:00Z", "2026-05-01T00:30:00Z")


def test_sessions_of_one_moment_are_all_news():
    assert watch().on_sessions([session(name, 1) for name in "abc"])["count"] == 3


def test_a_look_never_goes_back_behind_the_beginning():
    made = watch()
    made.on_sessions([session("a", 1)])
    assert made.parameters() == {"startDate": "2026-05-01T00:00:00Z"}
    assert made.on_sessions([session("older", -1)]) is None


def test_it_remembers_the_sessions_of_the_overlap_only():
    made = watch()
    for minute in range(0, 600, 2):
        made.on_sessions([session(f"s{minute}", minute)])
    assert len(made._known) <= OVERLAP / timedelta(minutes=2) + 1


def test_a_session_without_a_time_or_an_id_is_news_once():
    made = watch()
    odd = [{"name": "x"}, {"id": "b", "createdAt": "soon"}]
    assert made.on_sessions(odd)["count"] == 2
    assert made.on_sessions(odd) is None


def test_it_looks_less_often_while_looks_fail_and_is_polite_at_all_times():
    made = SessionWatch(BEGAN, poll_interval=1)
    assert made.pause_s == 60
    lost = MaestroQAConnectionError("lost")
    assert "Next poll for new coaching sessions in 120 s" in made.on_error(lost)
    pauses = []
    for _ in range(10):
        made.on_error(lost)
        pauses.append(made.pause_s)
    assert pauses[:3] == [240, 480, 960]
    assert pauses[-1] == 3600
    made.on_sessions([])
    assert made.pause_s == 60


def test_after_a_refusal_it_goes_on_once_an_hour():
    made = watch()
    assert "Next poll for new coaching sessions in 3600 s" in made.on_error(
        MaestroQAAuthError(401, "GET", "/x", "no")
    )
    assert SessionWatch(BEGAN, poll_interval=86400).pause_s == 86400
