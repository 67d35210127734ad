"""The check tells each way in which an account may differ, and invents none."""

from __future__ import annotations

import csv
import io
import json

import pytest

from airflow_provider_maestroqa.check.catalogue import PROBES
from airflow_provider_maestroqa.check.finding import Verdict
from airflow_provider_maestroqa.check.hook import MAX_REQUESTS, CheckClient
from airflow_provider_maestroqa.check.report import profile, table
from airflow_provider_maestroqa.sandbox import REAL_LIMITS, profile_options, write_export_file
from airflow_provider_maestroqa.sandbox.options import OPTIONS

#: An option of the sandbox, another value of it, and the probe that tells it.
READ_VARIANTS = [
    ("date_offset", 300.0, "clock"),
    ("record_id", "_id", "record_id"),
    ("first_index", 1, "first_index"),
    ("max_page", 25, "page_size"),
    ("list_ends", "included", "list_ends"),
    ("export_lookup", "path", "export_lookup"),
    ("complete_status", "completed", "export_status"),
    ("export_end_day", "excluded", "coaching_end_day"),
    ("export_max_days", 30, "coaching_range"),
    ("url_ttl", 30.0, "download_url"),
    ("more_columns", ["total_scores.mood", "total_scores.weather", "csat.agent_id"], "columns_raw"),
    ("missing_columns", ["groups.available"], "columns_groups"),
    ("doubled_records", 2, "natural_keys"),
    ("scim_first_index", 0, "scim_first_index"),
    ("group_members", "ids", "group_members"),
    ("list_dates", "seconds", "list_dates"),
    ("list_times", "changed", "list_times"),
    ("unknown_filters", "ignore", "unknown_filters"),
    ("no_ranges", True, "download_range"),
    ("storage_etag", "other", "download_checksum"),
    ("export_defaults", "included", "export_defaults"),
    ("export_windows", "included", "export_edges"),
]
#: Other values of these options, and the probes that tell them.
MORE_VARIANTS = [
    ("export_lookup", "body", "export_lookup"),
    ("storage_etag", "none", "download_checksum"),
    ("export_windows", "excluded", "export_edges"),
]
WRITE_VARIANTS = [
    ("unknown_tickets", "accept", "unknown_ticket"),
    ("batch_mode", "partial", "batch"),
    ("attachment_id_reuse", "conflict", "attachment_again"),
]
BURST_VARIANTS = [
    ("retry_after", True, "retry_after"),
    ("count_refused", True, "refused_requests"),
    ("limits", {"normal": [[7, 1], [100, 60]], "hard": [[1, 1], [30, 60]]}, "requests_per_second"),
]


def test_an_account_as_the_documents_have_it_is_as_read(check, otherwise):
    report, _ = check(granted=["write"])
    assert otherwise(report) == []
    unseen = [probe.name for probe, finding in report.findings if finding.verdict is Verdict.NOT_SEEN]
    assert unseen == [
        "other_host",
        "graded_tickets",
        "requests_per_second",
        "refused_requests",
        "rate_limit_words",
        "retry_after",
        # A check that writes has no requests left for it.
        "export_edges",
    ]


@pytest.mark.parametrize(("option", "value", "name"), READ_VARIANTS)
def test_each_variant_that_reading_shows_is_told_and_no_other(check, otherwise, option, value, name):
    report, _ = check(**{option: value})
    assert otherwise(report) == [name]
    assert report.options[option] == value


def test_other_values_of_these_options_are_told_as_well(check, otherwise):
    report, _ = check(**{option: value for option, value, _ in MORE_VARIANTS})
    assert sorted(otherwise(report)) == sorted(name for *_, name in MORE_VARIANTS)
    for option, value, _ in MORE_VARIANTS:
        assert report.options[option] == value


@pytest.mark.parametrize(("option", "value", "name"), WRITE_VARIANTS)
def test_each_variant_that_writing_shows_is_told_and_no_other(check, otherwise, option, value, name):
    report, _ = check(granted=["write"], **{option: value})
    assert otherwise(report) == [name]
    assert report.options[option] == value


@pytest.mark.parametrize(("option", "value", "name"), BURST_VARIANTS)
def test_each_variant_that_a_burst_shows_is_told_and_no_other(check, otherwise, option, value, name):
    report, _ = check(granted=["burst"], **{"limits": REAL_LIMITS, option: value})
    assert otherwise(report) == [name]
    assert report.options[option] == value


def test_eight_variants_at_once_are_found_and_none_is_invented(check, otherwise):
    variants = READ_VARIANTS[:8]
    report, _ = check(**{option: value for option, value, _ in variants})
    assert sorted(otherwise(report)) == sorted(name for *_, name in variants)


@pytest.mark.parametrize(
    ("granted", "variants"), [([], READ_VARIANTS), (["write"], WRITE_VARIANTS)], ids=["reading", "writing"]
)
def test_a_sandbox_like_the_profile_shows_the_same(check, otherwise, tmp_path, granted, variants):
    first, _ = check(granted=granted, **{option: value for option, value, _ in variants})
    assert sorted(otherwise(first)) == sorted(name for *_, name in variants)
    file = tmp_path / "profile.json"
    file.write_text(profile(first, versions="", now=0))
    second, _ = check(granted=granted, **profile_options(file))
    assert [(probe, finding) for probe, finding in second.findings] == first.findings


def seen_of(report, name):
    (finding,) = [finding for probe, finding in report.findings if probe.name == name]
    return finding.verdict, finding.seen


def test_what_the_documents_leave_open_may_be_either_way(check, otherwise):
    report, sandbox = check(export_windows="half_open", list_dates="iso8601")
    assert otherwise(report) == []
    assert seen_of(report, "export_edges") == (
        Verdict.AS_READ,
        "a window with 5 grades, cut at one of them: 2 and 3; each comes once",
    )
    assert (report.options["export_windows"], report.options["list_dates"]) == ("half_open", "iso8601")
    assert sandbox.count("POST", "/api/v1/request-raw-export") == 5


def test_a_file_that_is_not_the_one_of_its_checksum_is_otherwise(check, otherwise):
    # The first request for this file lands it.
    report, _ = check(
        before=lambda sandbox: sandbox.fault("corrupt", path="/exports/*/agent_groups.csv", after=1, times=9)
    )
    assert otherwise(report) == ["download_checksum"]
    # A sandbox has other grades in each window by default.
    assert seen_of(report, "export_edges")[0] is Verdict.NOT_SEEN
    assert "export_windows" not in report.options


def test_an_account_without_grades_shows_no_defaults(check, otherwise):
    report, _ = check(rows=0)
    assert otherwise(report) == []
    assert seen_of(report, "export_defaults") == (Verdict.NOT_SEEN, "no grades in the last week")


def test_slow_exports_leave_out_what_takes_too_many_requests(check, otherwise):
    report, sandbox = check(polls=4, seconds=20.0, export_windows="half_open")
    assert otherwise(report) == []
    assert report.requests == len([one for one in sandbox.requests if one.host == "api"]) <= MAX_REQUESTS
    assert "requests of a check are left: try it without --write" in seen_of(report, "export_edges")[1]


def test_grades_are_found_to_be_of_tickets(check, otherwise):
    target = io.BytesIO()
    write_export_file(target, rows=5, single_file="total_scores")
    ids = {row["gradable_id"] for row in csv.DictReader(io.StringIO(target.getvalue().decode("utf-8-sig")))}
    report, _ = check(before=lambda sandbox: sandbox.add_tickets(ids, csat_score=4))
    assert otherwise(report) == []
    (seen,) = [finding.seen for probe, finding in report.findings if probe.name == "graded_tickets"]
    assert seen == f"{len(ids)} of {len(ids)} gradable_ids; missing: none; csat_score: str"


def test_a_profile_has_options_of_the_sandbox_only(check):
    report, _ = check(granted=["write", "burst"], limits=REAL_LIMITS)
    assert set(report.options) <= set(OPTIONS)


#: Other values of all other options.
MODES = [
    {"rows": 0, "todos": 0, "coaching_points": 0, "coaching_sessions": 0, "agents": 0, "agent_groups": 0, "users": 0},
    {"account": "documents", "seed": 7, "custom_attributes": {}},
    {"window_kind": "fixed", "limits": REAL_LIMITS},
    {"polls": 4, "seconds": 20.0, "hosts": ("localhost",), "largest_body": 1000},
    # What is never asked for, because it cannot be undone.
    {"csat_results": "texts", "deletion_polls": 5},
]
#: Where the sandbox listens, and the time.
PLACES = {"token", "port", "storage_port", "bind", "clock"}


def test_each_option_of_the_sandbox_is_a_variant_that_is_told_or_a_mode_that_is_none():
    told = {option for option, *_ in [*READ_VARIANTS, *WRITE_VARIANTS, *BURST_VARIANTS]}
    assert told | {option for mode in MODES for option in mode} | PLACES == set(OPTIONS)


@pytest.mark.parametrize("options", MODES)
def test_other_modes_of_the_sandbox_are_no_variant(check, otherwise, options):
    report, sandbox = check(granted=["write"], **options)
    assert otherwise(report) == []
    assert sandbox.tickets == {} or "account" in options


def test_reading_writes_nothing(check):
    _, sandbox = check()
    paths = {(one.method, one.path) for one in sandbox.requests if one.host == "api" and one.method != "GET"}
    exports = {("POST", f"/api/v1/request-{name}-export") for name in ("raw", "groups", "audit-log")}
    assert paths == {*exports, ("POST", "/api/v1/coaching-sessions")}


def test_what_was_written_is_removed(check):
    _, sandbox = check(granted=["write"], unknown_tickets="accept")
    assert sandbox.count("POST", "/api/v1/tickets") == 2
    kinds = (sandbox.tickets, sandbox.comments, sandbox.attachments, sandbox.ticket_metrics, sandbox.agent_metrics)
    assert not any(kinds)
    assert len(sandbox.agents) == 20


@pytest.mark.parametrize("outcome", ["never", "errored", "no_data"])
def test_an_export_that_gives_nothing_costs_no_more_than_the_requests_of_a_check(check, otherwise, outcome):
    report, sandbox = check(granted=["write"], before=lambda sandbox: sandbox.fault(outcome, times=100))
    assert report.requests == len([one for one in sandbox.requests if one.host == "api"]) <= MAX_REQUESTS
    assert otherwise(report) == []
    assert sandbox.tickets == {}


def test_it_stops_at_sixty_requests_and_still_deletes_its_ticket(check, monkeypatch):
    monkeypatch.setattr("airflow_provider_maestroqa.check.hook.MAX_REQUESTS", 38)
    report, sandbox = check(granted=["write"])
    assert report.requests == 38
    assert sandbox.count("POST", "/api/v1/tickets") > 0
    assert sandbox.tickets == {}
    assert report.left_behind == ""
    assert "requests of a check are spent" in table(report, versions="", now=0)


def test_a_token_that_is_not_accepted_ends_it(check, otherwise):
    report, _ = check(before=lambda sandbox: sandbox.revoke_token(sandbox.token))
    assert otherwise(report) == ["token"]
    assert report.requests == 1
    assert report.count(Verdict.NOT_SEEN) == len(PROBES) - 1


def test_pages_of_a_proxy_are_otherwise_and_end_it(check, otherwise):
    report, _ = check(before=lambda sandbox: sandbox.fault("html", times=100))
    assert otherwise(report) == ["token"]


@pytest.mark.parametrize(
    "body",
    [
        '{"startIndex": "x", "totalResults": "many", "itemsPerPage": null, "Resources": {"a": 1}}',
        '{"Resources": [1, null, {"id": {"a": 1}, "createdAt": 5, "agentId": []}], "exportId": 7, "status": [1]}',
        '{"exportId": "e", "status": "complete", "dataUrl": "https://[", "presigned_url": "nowhere", "results": 5}',
    ],
)
def test_no_response_can_break_it(check, body):
    report, _ = check(
        granted=["write"], before=lambda sandbox: sandbox.fault("status", status=200, body=body, times=1000)
    )
    assert len(report.findings) == len(PROBES)
    assert report.count(Verdict.OTHERWISE) > 10
    assert report.left_behind == ""
    json.loads(profile(report, versions="", now=0))


def test_storage_that_cannot_be_reached_is_told_of_attachments_alone(check, otherwise):
    report, sandbox = check(
        granted=["write"],
        before=lambda sandbox: sandbox.fault("reset_before", method="PUT", path="/attachments/*", times=9),
    )
    assert otherwise(report) == ["attachment"]
    assert sandbox.tickets == {}


@pytest.mark.parametrize(
    ("path", "done"), [("/api/v1/tickets", True), ("/api/v1/comments-batch", False), ("/api/v1/attachments", True)]
)
def test_a_lost_answer_to_a_write_leaves_nothing_behind(check, otherwise, path, done):
    def lose(sandbox):
        sandbox.fault("reset_after" if done else "reset_before", method="POST", path=path)

    report, sandbox = check(granted=["write"], before=lose)
    assert otherwise(report) == []
    assert sandbox.tickets == {}
    assert report.left_behind == ""


def test_a_ticket_that_cannot_be_deleted_is_named(check):
    report, sandbox = check(
        granted=["write"],
        before=lambda sandbox: sandbox.fault(
            "status", status=503, method="DELETE", path="/api/v1/tickets/*", times=9
        ),
    )
    assert [report.left_behind] == list(sandbox.tickets)
    assert report.left_behind.startswith("airflow-check-")


def test_ctrl_c_ends_it_with_what_was_seen_and_deletes_its_ticket(check, monkeypatch):
    send_once = CheckClient._send_once

    def interrupted(client, retry, *arguments):
        if retry.request.path.endswith("/attachments"):
            raise KeyboardInterrupt
        return send_once(client, retry, *arguments)

    monkeypatch.setattr(CheckClient, "_send_once", interrupted)
    report, sandbox = check(granted=["write"])
    assert report.is_interrupted
    assert sandbox.count("POST", "/api/v1/tickets") == 2
    assert sandbox.tickets == {}
    assert len(report.findings) == len(PROBES)
    assert "The check was interrupted." in table(report, versions="", now=0)


def test_nothing_of_the_account_is_in_table_and_profile(check):
    report, sandbox = check(granted=["write"], account="documents", unknown_tickets="accept")
    shown = table(report, versions="", now=0) + profile(report, versions="", now=0)
    records = [*sandbox.todos, *sandbox.coaching_points, *sandbox.coaching_sessions, *sandbox.agents.values()]
    values = {text for record in records for text in record.values() if isinstance(text, str) and len(text) > 8}
    values |= {*sandbox.secrets, *sandbox.exports, sandbox.url, sandbox.storage_url, "127.0.0.1", "localhost"}
    words = {"incomplete", "strengths", "opportunities", "productivity", "inPerson"}
    assert len(values) > 1000
    assert [value for value in values - words if value in shown] == []


def test_a_message_that_quotes_the_account_is_redacted(check):
    body = json.dumps({"error": "Ada Lovelace <ada@example.com> of agent 72999abc123 may not see 'Email quality'"})
    report, _ = check(before=lambda sandbox: sandbox.fault("status", status=403, body=body, path="/api/v1/tickets*"))
    shown = table(report, versions="", now=0)
    assert "403" in shown
    assert not [text for text in ("ada@", "72999abc123", "Email quality") if text in shown]


@pytest.mark.parametrize(
    ("status", "body"), [(414, "<html>URI too long</html>"), (404, {"error": "There is no ticket."}), (200, {})]
)
def test_tickets_that_cannot_be_read_together_are_otherwise(check, otherwise, status, body):
    report, sandbox = check(
        before=lambda sandbox: sandbox.fault("status", status=status, body=body, path="/api/v1/tickets", times=9)
    )
    assert otherwise(report) == ["missing_tickets"]
    (ids,) = {one.query["ticket_ids"] for one in sandbox.requests if "no-ticket" in str(one.query)}
    assert 1400 < len(ids) <= 1500


def test_each_probe_has_a_name_of_its_own_and_says_what_it_means():
    assert len({probe.name for probe in PROBES}) == len(PROBES)
    for probe in PROBES:
        assert probe.reading.endswith(".")
        assert probe.means.endswith(".")
        assert probe.needs in ("", "write", "burst")


def test_the_other_host_is_asked_without_a_token(check, otherwise, monkeypatch, sandbox):
    """The names of the two hosts stand for two sandboxes here."""
    module = "airflow_provider_maestroqa.check.probes.access"
    monkeypatch.setattr(f"{module}.NEW_HOST", sandbox.url)

    def be_the_old_host(here):
        monkeypatch.setattr(f"{module}.DEFAULT_HOST", here.url)

    report, _ = check(before=be_the_old_host)
    assert otherwise(report) == []
    (asked,) = sandbox.requests
    assert asked.status == 401
    assert "apitoken" not in asked.headers
