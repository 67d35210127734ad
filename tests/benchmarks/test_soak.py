"""The judges of the soak: each finds what is broken, and nothing else; and a seed decides what happens."""

from __future__ import annotations

import importlib
import json
import random
from types import SimpleNamespace

import pytest
from push_truth import PushTruth, numbers_told

from airflow_provider_maestroqa.sandbox.request_log import LoggedRequest

LIMITS = {"normal": [[2, 1], [3, 10]]}
REPORT = {"confirmed": 3, "rejected": 1, "unconfirmed": 1}


@pytest.fixture
def module(request, monkeypatch):
    """Import a module of the soak."""
    monkeypatch.syspath_prepend(str(request.config.rootpath / "benchmarks"))
    return lambda name: importlib.import_module(f"soak.{name}")


# -- Pushes ---------------------------------------------------------------------------------------------------------


def truth(**changes):
    known = {"total": 5, "bad": {4}, "stored": {0, 1, 2}, "twice": set(), "told": {3}}
    return PushTruth(**{**known, **changes})


def test_a_push_that_has_told_everything_has_kept_its_promises():
    assert truth().broken_by(REPORT, [4]) == []


@pytest.mark.parametrize(
    ("changes", "report", "rejected", "broken"),
    [
        ({"told": set()}, {}, [4], "missing, never told: [3]"),
        ({"twice": {1}}, {}, [4], "there twice, not by choice: [1]"),
        ({}, {}, [], "rejected are [], and bad are [4]"),
        ({}, {"rejected": 0}, [4], "0 are reported as rejected, and 1 are bad"),
        ({}, {"unconfirmed": 0}, [4], "missing are [3], and 0 are reported as unconfirmed"),
        ({}, {"confirmed": 4}, [4], "6 of 5 records are reported"),
    ],
)
def test_a_push_that_has_not_is_found(changes, report, rejected, broken):
    assert broken in truth(**changes).broken_by({**REPORT, **report}, rejected)


def test_what_was_chosen_is_not_broken():
    assert truth(twice={1}, may_be_twice={1}).broken_by(REPORT, [4]) == []
    report = {"confirmed": 3, "rejected": 2, "unconfirmed": 0}
    assert truth(told=set(), may_be_rejected={3}).broken_by(report, [3, 4]) == []


def test_only_what_names_records_is_told():
    assert numbers_told("Continuing after records 2, 5 to 7, which may or may not have arrived") == {2, 5, 6, 7}
    assert numbers_told("Rejected record 3 (line 4): no") == {3}
    assert numbers_told("The push of comments stopped after 12 confirmed records.") == set()


# -- Limits ---------------------------------------------------------------------------------------------------------


def sent(module, *times):
    """Requests that arrived at these times; each may say when its slot was, and its status."""
    names = (module("sent").SLOT, module("sent").ALLOWED)
    requests = []
    for at, slot, status in times:
        headers = dict.fromkeys(names, repr(slot))
        requests.append(LoggedRequest("GET", "/api/v1/todos", {}, headers, b"", "api", at, status))
    return module("limits").usage_of(requests, LIMITS)


def test_a_429_for_a_request_that_went_too_early_is_its_own(module):
    usage = sent(module, (0.0, 0.0, 200), (0.1, 0.1, 200), (0.5, 0.5, 429))
    assert (usage.own, usage.late, usage.by_faults, usage.taken.total()) == (1, 0, 0, 2)
    assert usage.broken_promises() == ["1 requests went too early and got a 429"]


def test_a_429_because_the_first_request_was_late_is_the_machines(module):
    usage = sent(module, (0.9, 0.0, 200), (1.0, 0.9, 200), (1.3, 1.3, 429))
    assert (usage.own, usage.late, usage.by_faults) == (0, 1, 0)
    assert usage.broken_promises() == []


def test_a_429_while_there_is_room_was_ordered(module):
    usage = sent(module, (0.0, 0.0, 200), (5.0, 5.0, 429))
    assert (usage.own, usage.late, usage.by_faults) == (0, 0, 1)


def test_a_window_that_holds_too_much_is_found(module):
    usage = sent(module, (0.0, 0.0, 200), (0.1, 0.1, 200), (0.2, 0.2, None))
    assert "normal, 2 in 1 s: 1.50 of what is allowed" in usage.broken_promises()
    assert usage.fullest["normal, 3 in 10 s"] == 1.0


# -- Files and processes --------------------------------------------------------------------------------------------


def test_a_reader_finds_a_manifest_whose_file_has_other_bytes(module, tmp_path):
    place = tmp_path / "k1"
    place.mkdir()
    (place / "_manifest.json").write_text(json.dumps({"files": [{"name": "a", "sha256": "0"}]}))
    reader = module("witness").Reader(tmp_path)
    reader.look()
    assert reader.broken == ["k1: a is missing"]


def test_a_secret_in_any_file_is_found(module, tmp_path):
    signature = "0123456789abcdef" * 4
    (tmp_path / "log").write_text(f"GET /x?X-Amz-Signature={signature}")
    (tmp_path / "clean").write_text("nothing")
    secrets_in = module("steadiness").secrets_in
    assert secrets_in(tmp_path, ["the-token", signature]) == ["log shows a secret"]
    assert secrets_in(tmp_path, ["the-token"]) == []
    (tmp_path / "clean").write_text("apitoken: the-token")
    assert secrets_in(tmp_path, ["the-token"]) == ["clean shows a secret"]


@pytest.mark.parametrize(
    ("kib", "files", "broken"),
    [(0, 0, []), (1000, 0, ["w has grown from 117 to 139 MB"]), (0, 1, ["w had 30 open files, and later 51"])],
)
def test_what_grows_is_found(module, kib, files, broken):
    samples = [(at * 60.0, 100_000 + at * kib, 20 + at * files) for at in range(41)]
    steady = module("steadiness").steadiness_of(SimpleNamespace(name="w", samples=samples))
    assert [*steady.broken_promises()] == broken


def test_a_seed_decides_what_happens(module):
    plan = module("plan")
    jobs = [plan.make_job(1, number) for number in range(40)]
    assert jobs == [plan.make_job(1, number) for number in range(40)]
    assert jobs != [plan.make_job(2, number) for number in range(40)]
    assert {job.kind for job in jobs} == set(plan.WEIGHTS)
    assert plan.make_fault(random.Random(3)) == plan.make_fault(random.Random(3))
    assert plan.make_doom(1, jobs[0], 0, plan.CALM_FROM_TRY) is None
