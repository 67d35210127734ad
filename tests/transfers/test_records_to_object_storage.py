from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from datetime import datetime, timedelta, timezone

import pytest

from airflow_provider_maestroqa._compat import AirflowFailException
from airflow_provider_maestroqa.client.errors import MaestroQAError
from airflow_provider_maestroqa.landing.publish import Publication

LISTS = {
    "todos": "/api/v1/todos",
    "coaching_points": "/api/v1/coaching-points",
    "coaching_sessions": "/api/v1/coaching-sessions",
}
EXPORT = "coaching_sessions_export"
EXPORT_PATH = "/api/v1/coaching-sessions"
FEBRUARY = {"start": "2026-02-01", "end": "2026-03-01"}
by_list = pytest.mark.parametrize("resource", LISTS)


def rows(path):
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


def names(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


@by_list
def test_a_list_lands_whole_as_it_is(land, folder, sandbox, resource):
    manifest = land(resource)
    assert names(folder) == ["_manifest.json", f"{resource}.jsonl.gz"]
    assert rows(folder / f"{resource}.jsonl.gz") == list(getattr(sandbox, resource))
    assert manifest["window"] is None


@pytest.mark.parametrize("resource", ["agent_groups", "user_groups", "users"])
def test_groups_and_accounts_land_whole(land, folder, sandbox, resource):
    manifest = land(resource)
    assert rows(folder / f"{resource}.jsonl.gz") == list(getattr(sandbox, resource).values())
    assert (manifest["resource"], manifest["window"]) == (resource, None)


def test_an_account_lands_by_its_name_as_the_api_calls_it(land, folder):
    land("users", filters={"userName": "user-3@example.com"})
    assert [one["userName"] for one in rows(folder / "users.jsonl.gz")] == ["user-3@example.com"]


def test_the_manifest_describes_what_is_there(land, folder, sandbox):
    manifest = land("todos")
    assert json.loads((folder / "_manifest.json").read_text()) == manifest
    (file,) = manifest.pop("files")
    assert manifest == {
        "resource": "todos",
        "has_data": True,
        "destination": f"file://{folder}",
        "window": None,
        "manifest": f"file://{folder}/_manifest.json",
    }
    stored = (folder / "todos.jsonl.gz").read_bytes()
    content = gzip.decompress(stored)
    assert file == {
        "name": "todos.jsonl.gz",
        "uri": f"file://{folder}/todos.jsonl.gz",
        "bytes": len(stored),
        "sha256": hashlib.sha256(stored).hexdigest(),
        "content_bytes": len(content),
        "crc32": f"{zlib.crc32(content):08x}",
        "rows": 500,
    }


def test_filters_and_a_window_leave_what_matches(land, folder, sandbox):
    window = {"start": "2026-02-01T00:00:00Z", "end": datetime(2026, 5, 1, tzinfo=timezone.utc)}
    filters = {"coach_id": "coach-2", "agent_id": None}
    manifest = land("coaching_sessions", filters=filters, page_size="7", **window)
    found = rows(folder / "coaching_sessions.jsonl.gz")
    assert found == [
        one
        for one in sandbox.coaching_sessions
        if one["coachId"] == "coach-2" and "2026-02-01" < one["createdAt"] < "2026-05-01"
    ]
    assert manifest["window"] == {"start": "2026-02-01T00:00:00Z", "end": "2026-05-01T00:00:00Z"}
    assert sandbox.requests[0].query["count"] == "7"


def test_the_export_lands_with_all_that_hangs_on_a_session(land, folder, sandbox):
    manifest = land(EXPORT, **FEBRUARY)
    assert rows(folder / f"{EXPORT}.jsonl.gz") == sandbox.exported_sessions("2026-02-01", "2026-03-01")
    assert manifest["window"] == {"start": "2026-02-01T00:00:00Z", "end": "2026-03-01T00:00:00Z"}


def test_the_export_goes_by_the_axis(land, folder, sandbox):
    land(EXPORT, time_axis="createdAt", **FEBRUARY)
    assert rows(folder / f"{EXPORT}.jsonl.gz") == sandbox.exported_sessions("2026-02-01", "2026-03-01", "createdAt")


def test_split_nested_writes_four_files_that_can_be_joined(land, folder, sandbox):
    manifest = land(EXPORT, split_nested=True, start="2026-01-01", end="2026-12-31")
    there = {file["name"]: file["rows"] for file in manifest["files"]}
    landed = {name: rows(folder / name) for name in there}
    assert {name: len(found) for name, found in landed.items()} == there
    assert list(there) == [
        "sessions.jsonl.gz",
        "coaching_points.jsonl.gz",
        "todos.jsonl.gz",
        "activity_log.jsonl.gz",
    ]
    joined = [
        {
            **session,
            "activityLog": nested(landed["activity_log.jsonl.gz"], session["_id"]),
            "coachingPoints": nested(landed["coaching_points.jsonl.gz"], session["_id"]),
            "todos": nested(landed["todos.jsonl.gz"], session["_id"]),
        }
        for session in landed["sessions.jsonl.gz"]
    ]
    assert joined == sandbox.exported_sessions("2026-01-01", "2026-12-31")


def nested(table, session_id):
    found = [one for one in table if one["session_id"] == session_id]
    assert [one.get("position", at) for at, one in enumerate(found)] == list(range(len(found)))
    return [{name: value for name, value in one.items() if name not in ("session_id", "position")} for one in found]


def test_split_nested_writes_all_four_files_even_when_one_has_no_rows(land, folder, sandbox):
    sandbox.fault("status", status=200, body=[{"_id": "s1", "todos": []}], path=EXPORT_PATH)
    manifest = land(EXPORT, split_nested=True, **FEBRUARY)
    assert {file["name"]: file["rows"] for file in manifest["files"]}["todos.jsonl.gz"] == 0
    assert rows(folder / "todos.jsonl.gz") == []


def test_s3_gets_the_same_objects(land, sandbox, s3, tmp_path):
    manifest = land(EXPORT, split_nested="true", destination="s3://my-data-lake/coaching/run=1", **FEBRUARY)
    listed = s3.list_objects_v2(Bucket="my-data-lake")["Contents"]
    stored = {item["Key"]: s3.get_object(Bucket="my-data-lake", Key=item["Key"])["Body"].read() for item in listed}
    assert set(stored) == {
        f"coaching/run=1/{name}" for name in ("_manifest.json", *(file["name"] for file in manifest["files"]))
    }
    for file in manifest["files"]:
        body = stored[f"coaching/run=1/{file['name']}"]
        assert hashlib.sha256(body).hexdigest() == file["sha256"]
        assert len(gzip.decompress(body).splitlines()) == file["rows"]


class TestAgain:
    """Running again with the same arguments."""

    def test_unchanged_records_give_the_same_bytes(self, land, folder, sandbox):
        first = land("todos")
        before = {path.name: path.read_bytes() for path in folder.iterdir()}
        assert land("todos") == first
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before

    def test_changed_records_replace_the_file(self, land, folder, sandbox):
        land("coaching_sessions")
        made = sandbox.add_coaching_session()
        land("coaching_sessions")
        assert rows(folder / "coaching_sessions.jsonl.gz")[-1]["id"] == made["_id"]

    def test_files_that_the_new_manifest_does_not_name_are_removed(self, land, folder, sandbox):
        land(EXPORT, split_nested=True, **FEBRUARY)
        (folder / "mine.jsonl.gz").write_text("not ours")
        land(EXPORT, **FEBRUARY)
        assert names(folder) == ["_manifest.json", f"{EXPORT}.jsonl.gz", "mine.jsonl.gz"]

    def test_files_of_another_resource_are_left_alone(self, land, folder, sandbox):
        land("todos")
        land("coaching_points")
        assert names(folder) == ["_manifest.json", "coaching_points.jsonl.gz", "todos.jsonl.gz"]

    def test_no_records_any_more_leave_a_manifest_alone(self, land, folder, sandbox):
        land("todos")
        manifest = land("todos", filters={"agent_id": "nobody"})
        assert (manifest["has_data"], manifest["files"]) == (False, [])
        assert names(folder) == ["_manifest.json"]


class TestAllOrNothing:
    """A run that fails leaves what was there before."""

    @pytest.mark.parametrize(
        ("resource", "path", "fault"),
        [
            ("todos", "/api/v1/todos", {"kind": "status", "status": 400, "after": 3, "times": None}),
            (
                "todos",
                "/api/v1/todos",
                {"kind": "status", "status": 200, "body": {"no": 1}, "after": 3, "times": None},
            ),
            (EXPORT, EXPORT_PATH, {"kind": "status", "status": 403, "after": 1, "times": None}),
            (EXPORT, EXPORT_PATH, {"kind": "status", "status": 200, "body": [{"_id": 1}, 7], "after": 1}),
        ],
    )
    @pytest.mark.parametrize("landed_before", [False, True])
    def test_reading_that_fails_in_the_middle(
        self, land, folder, sandbox, mocker, resource, path, fault, landed_before
    ):
        mocker.patch("airflow_provider_maestroqa.client.resources.pagination.PAUSES_S", (0, 0))
        window = {"start": "2026-01-01", "end": "2026-12-31"} if resource == EXPORT else {}
        if landed_before:
            land(resource, **window)
        before = {name: (folder / name).read_bytes() for name in names(folder)}
        sandbox.fault(**fault, path=path)
        with pytest.raises((MaestroQAError, AirflowFailException)):
            land(resource, **window)
        assert {name: (folder / name).read_bytes() for name in names(folder)} == before

    @pytest.mark.parametrize("step", ["write", "seal"])
    @pytest.mark.parametrize("at", [0, 2])
    def test_a_storage_that_fails_while_files_are_sent(self, land, folder, sandbox, mocker, step, at):
        from airflow_provider_maestroqa.storage.local_store import LocalUpload

        land(EXPORT, split_nested=True, **FEBRUARY)
        before = {name: (folder / name).read_bytes() for name in names(folder)}
        sandbox.add_coaching_session(meetingDate="2026-02-10T00:00:00.000Z")
        real, calls = getattr(LocalUpload, step), []

        def failing(upload, *arguments):
            calls.append(arguments)
            if len(calls) > at:
                raise MaestroQAError("The disk is gone.", retryable=True)
            return real(upload, *arguments)

        mocker.patch.object(LocalUpload, step, failing)
        with pytest.raises(MaestroQAError, match="The disk is gone"):
            land(EXPORT, split_nested=True, **FEBRUARY)
        assert {name: (folder / name).read_bytes() for name in names(folder)} == before

    def test_a_process_killed_while_files_become_visible_leaves_no_manifest(self, land, folder, sandbox, mocker):
        from airflow_provider_maestroqa.storage.local_store import LocalUpload

        land(EXPORT, split_nested=True, **FEBRUARY)
        real, calls = LocalUpload.publish, []

        def killed(upload, **condition):
            calls.append(upload)
            if len(calls) == 3:
                raise KeyboardInterrupt
            return real(upload, **condition)

        patched = mocker.patch.object(LocalUpload, "publish", killed)
        with pytest.raises(KeyboardInterrupt):
            land(EXPORT, split_nested=True, **FEBRUARY)
        assert "files" not in json.loads((folder / "_manifest.json").read_bytes())
        assert not [name for name in names(folder) if name.endswith(".part")]
        mocker.stop(patched)
        assert land(EXPORT, split_nested=True, **FEBRUARY)["has_data"]
        assert len(names(folder)) == 5

    def test_multipart_uploads_are_aborted(self, land, sandbox, s3, mocker):
        mocker.patch("airflow_provider_maestroqa.storage.s3_store._MAX_HELD", 0)
        mocker.patch.object(Publication, "commit", side_effect=MaestroQAError("gone", retryable=True))
        with pytest.raises(MaestroQAError):
            land("todos", destination="s3://my-data-lake/x")
        assert s3.list_objects_v2(Bucket="my-data-lake").get("Contents", []) == []
        assert s3.list_multipart_uploads(Bucket="my-data-lake").get("Uploads", []) == []


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"resource": "tickets"}, "resource must be one of coaching_sessions_export, todos"),
        ({"split_nested": True}, "split_nested is for coaching_sessions_export"),
        ({"split_nested": "perhaps"}, "split_nested must be True or False"),
        ({"filters": {"coach_id": "c"}}, "coach_id is not a filter of todos"),
        ({"filters": {"coachId": "a"}}, "coach_id is not a filter of todos"),
        ({"filters": {"start": "x"}}, "start is not a filter but an argument"),
        ({"filters": ["agent_id"]}, "filters must be a dict"),
        ({"filters": "agent_id=1"}, "filters must be a dict"),
        ({"filters": {"agent_id": ""}}, "agent_id must be text that is not empty"),
        ({"page_size": 0}, "page_size must be a whole number"),
        ({"incremental": "daily"}, "incremental must be one of data_interval, watermark"),
        ({"incremental": True}, "incremental must be one of data_interval, watermark"),
        ({"incremental": "data_interval", "lookback": timedelta(days=1)}, "leave start, end, lookback and part"),
        ({"start": datetime(2026, 1, 1), "end": "2026-02-01T00:00:00Z"}, "start=.* has no time zone"),
        ({"start": "2026-01-01", "end": "2026-02-01"}, "start=.* has no time zone"),
        ({"start": "2026-02-01T00:00:00Z", "end": "2026-01-01T00:00:00Z"}, "must be before its end"),
        ({"start": "2026-02-01T00:00:00Z", "lookback": timedelta(days=1)}, "start or lookback, not both"),
        ({"end": "2026-02-01T00:00:00Z"}, "end is given without a start"),
        ({"resource": "users", "start": "2026-02-01T00:00:00Z"}, "cannot filter users by time: leave start, end"),
        ({"resource": "agent_groups", "lookback": timedelta(days=1)}, "cannot filter agent_groups by time"),
        ({"resource": "user_groups", "incremental": "watermark"}, "cannot filter user_groups by time"),
        ({"resource": "users", "filters": {"userName": "a", "user_name": "b"}}, "are the same filter"),
        ({"resource": EXPORT, "filters": {"agent_id": "a"}, **FEBRUARY}, "takes no filters"),
        ({"resource": EXPORT, "time_axis": "updatedAt", **FEBRUARY}, "time_axis must be one of meetingDate"),
        ({"resource": EXPORT, "start": "2026-03-01", "end": "2026-02-01"}, "must be before its end"),
        ({"resource": EXPORT, "start": "2026-02-01", "end": "2026-02-01"}, "are the same time"),
        ({"resource": EXPORT, "start": datetime(2026, 1, 1), "end": "2026-02-01"}, "start=.* has no time zone"),
        ({"destination": "/tmp/landed"}, "is not a storage URL"),
        ({"destination": "martian://x"}, "cannot be opened"),
    ],
)
def test_bad_input_fails_at_once_names_the_argument_and_spends_no_request(land, sandbox, arguments, named):
    with pytest.raises(AirflowFailException, match=named):
        land(**arguments)
    assert sandbox.requests == []


def test_the_log_says_what_was_read_and_where_it_landed(land, sandbox, logged):
    land(EXPORT, split_nested=True, **FEBRUARY)
    text = logged()
    assert "Requesting coaching sessions from 2026-02-01 to 2026-03-01 (window 1 of 1)" in text
    assert "sessions.jsonl.gz (" in text
    assert sandbox.token not in text


def test_a_warning_counts_what_came_again(land, sandbox, logged):
    sandbox.fault("overlap_page", at=10, path="/api/v1/todos", after=1)
    assert land("todos")["files"][0]["rows"] == 500
    assert "10 records came more than once" in logged()
