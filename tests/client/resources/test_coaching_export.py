"""Lists and the coaching export from a real server that goes wrong on request."""

from __future__ import annotations

import errno
import json
import tempfile
from pathlib import Path

import pytest
import requests
from clocks import FakeTime

from airflow_provider_maestroqa.client import errors, temp_file
from airflow_provider_maestroqa.client.budget import open_budget
from airflow_provider_maestroqa.client.resources.coaching_export import (
    SessionExport,
    session_requests,
)
from airflow_provider_maestroqa.client.resources.pagination import Paginator, RecordIterator
from airflow_provider_maestroqa.client.settings import read_settings
from airflow_provider_maestroqa.client.transport.sync_client import SyncClient
from airflow_provider_maestroqa.sandbox import Sandbox

WIDE = {"normal": [[100000, 1]], "hard": [[100000, 1]]}
TODOS, EXPORT = "/api/v1/todos", "/api/v1/coaching-sessions"
YEAR = ("2026-01-01", "2027-01-01")


def answer_size(sandbox, start, end):
    """Bytes of the export's answer for a window."""
    asked_for = {"startDate": start, "endDate": end, "timeAxis": "meetingDate"}
    with requests.post(
        f"{sandbox.url}{EXPORT}", json=asked_for, headers={"apitoken": sandbox.token}, timeout=10
    ) as answer:
        answer.raise_for_status()
        return len(answer.content)


class Reader:
    """What a hook does, with time that is injected."""

    def __init__(self, sandbox, limits=WIDE):
        settings = read_settings(
            "c", host=sandbox.url, password=sandbox.token, extra={"rate_limits": limits, "timeout": 5}
        )
        self.time = FakeTime()
        self.said, self.warned = [], []
        address = {"base_url": settings.base_url, "token": settings.token}
        self.budget = open_budget(store="memory", limits=settings.limits, clock=self.time.clock(), **address)
        self.client = SyncClient(settings, self.budget)

    def todos(self, **filters):
        paginator = Paginator("list_todos", filters, page_size=100)
        return RecordIterator(self.client.send, paginator, warn=self.warned.append, clock=self.time.clock())

    def sessions(self, start, end, time_axis="meetingDate"):
        windows = session_requests(start, end, time_axis)
        return SessionExport(windows, self.client.stream, log=self.said.append, warn=self.warned.append)

    def close(self):
        self.client.close()
        self.budget.close()


@pytest.fixture
def make_reader():
    readers = []

    def make(sandbox, **options):
        readers.append(Reader(sandbox, **options))
        return readers[-1]

    yield make
    for reader in readers:
        reader.close()


@pytest.fixture
def reader(make_reader, sandbox):
    return make_reader(sandbox)


def asked(sandbox):
    return [(seen.body["startDate"], seen.body["endDate"]) for seen in sandbox.requests if seen.path == EXPORT]


class TestList:
    """To-dos, page by page."""

    def test_all_come_as_the_server_has_them(self, reader, sandbox):
        assert list(reader.todos()) == list(sandbox.todos)
        assert sandbox.count("GET", TODOS) == 5

    def test_filters_are_the_servers_work(self, reader, sandbox):
        found = list(reader.todos(agentId="agent-2", startDate="2026-06-01T00:00:00Z"))
        assert found == [
            one for one in sandbox.todos if one["agentId"] == "agent-2" and one["createdAt"] > "2026-06-01"
        ]

    @pytest.mark.parametrize(
        "fault",
        [
            {"kind": "status", "status": 500},
            {"kind": "status", "status": 503},
            {"kind": "rate_limited", "text": "second"},
            {"kind": "rate_limited", "text": "minute"},
            {"kind": "reset_before"},
            {"kind": "reset_after"},
            {"kind": "malformed_json"},
            {"kind": "html"},
            {"kind": "empty_body"},
            {"kind": "empty_page"},
            {"kind": "repeat_page"},
            {"kind": "overlap_page", "at": 30},
            {"kind": "page_cap", "at": 17},
            {"kind": "wrong_total", "at": -450},
            {"kind": "wrong_total", "at": 300},
        ],
        ids=lambda fault: "-".join(map(str, fault.values())),
    )
    @pytest.mark.parametrize("after", [0, 2, 4])
    def test_whatever_happens_to_a_page_each_record_comes_once(self, reader, sandbox, fault, after):
        sandbox.fault(**fault, path=TODOS, after=after, times=2)
        found = list(reader.todos())
        assert sorted(found, key=lambda one: one["id"]) == sorted(sandbox.todos, key=lambda one: one["id"])
        assert len(reader.warned) <= 1

    def test_a_list_that_shrinks_loses_none_that_stay(self, reader, sandbox):
        sandbox.fault("shrink", at=60, path=TODOS, after=2)
        assert [one["id"] for one in sandbox.todos] == sorted(
            (one["id"] for one in reader.todos()), key=[one["id"] for one in sandbox.todos].index
        )

    def test_a_refused_token_between_pages_ends_it_at_once(self, reader, sandbox):
        listing = reader.todos()
        next(listing)
        sandbox.revoke_token(sandbox.token)
        with pytest.raises(errors.MaestroQAAuthError):
            list(listing)
        assert sandbox.count("GET", TODOS) == 2

    def test_a_server_that_stays_down_ends_it_with_a_clear_error(self, reader, sandbox):
        sandbox.fault("status", status=502, path=TODOS, after=1, times=None)
        with pytest.raises(errors.MaestroQAServerError, match="GET /api/v1/todos answered 502"):
            list(reader.todos())
        assert sandbox.count("GET", TODOS) == 6

    def test_records_without_ids_are_read_and_counted(self, reader, sandbox):
        sandbox.fault("no_id", at=3, path=TODOS)
        assert len(list(reader.todos())) == 500
        assert "3 records had no id" in reader.warned[0]


class TestExport:
    """Coaching sessions of any range."""

    @pytest.mark.parametrize("time_axis", ["meetingDate", "createdAt"])
    @pytest.mark.parametrize("end_day", ["included", "excluded"])
    def test_each_session_of_a_year_comes_once_however_the_end_day_is_read(self, make_reader, time_axis, end_day):
        with Sandbox(limits={}, coaching_sessions=1500, export_end_day=end_day) as sandbox:
            reader = make_reader(sandbox)
            assert list(reader.sessions(*YEAR, time_axis)) == sandbox.exported_sessions(*YEAR, time_axis)
            assert reader.warned == []
            assert len(asked(sandbox)) == 5

    def test_a_window_is_asked_for_when_its_first_session_is_needed(self, reader, sandbox):
        sessions = reader.sessions(*YEAR)
        assert asked(sandbox) == []
        next(sessions)
        assert asked(sandbox) == [("2026-01-01", "2026-04-01")]
        list(sessions)
        assert asked(sandbox)[1:] == [
            ("2026-04-01", "2026-06-30"),
            ("2026-06-30", "2026-09-28"),
            ("2026-09-28", "2026-12-27"),
            ("2026-12-27", "2027-01-01"),
        ]

    def test_the_limits_of_the_hard_bucket_are_kept(self, make_reader):
        with Sandbox(limits={"hard": [[1, 1], [30, 60]]}) as sandbox:
            reader = make_reader(sandbox, limits={"hard": [[1, 1], [30, 60]]})
            sandbox._limiter._clock = lambda: reader.time.wall
            assert len(list(reader.sessions(*YEAR))) > 200
            assert [seen.status for seen in sandbox.requests] == [200] * 5
            assert sum(reader.time.slept) >= 4

    @pytest.mark.parametrize("kind", ["drop_at_byte", "reset_at_byte", "truncated"])
    @pytest.mark.parametrize("at", [0, 1, 2, 1000, 65536, 150_000, -1])
    def test_an_answer_cut_at_any_byte_is_asked_for_again_and_comes_once(self, reader, sandbox, kind, at):
        if at == -1:
            at = answer_size(sandbox, "2026-01-01", "2026-04-01") - 1
        before = len(asked(sandbox))
        sandbox.fault(kind, at=at, path=EXPORT, times=2)
        found = list(reader.sessions("2026-01-01", "2026-04-01"))
        assert found == sandbox.exported_sessions("2026-01-01", "2026-04-01")
        assert len(asked(sandbox)) == before + 3

    @pytest.mark.parametrize("kind", ["drop_at_byte", "truncated"])
    def test_an_answer_that_is_always_cut_gives_nothing_of_its_window_and_a_clear_error(self, reader, sandbox, kind):
        sandbox.fault(kind, at=100_000, path=EXPORT, after=1, times=None)
        sessions, found = reader.sessions(*YEAR), []
        with pytest.raises((errors.MaestroQAConnectionError, errors.MaestroQAServerError)) as caught:
            for session in sessions:
                found.append(session)
        assert found == sandbox.exported_sessions("2026-01-01", "2026-04-01")
        assert len(asked(sandbox)) == 6
        assert caught.value.retryable
        assert "POST /api/v1/coaching-sessions" in str(caught.value)

    def test_every_byte_of_a_small_answer_may_be_the_last(self, make_reader):
        with Sandbox(limits={}, coaching_sessions=40, coaching_points=0, todos=0) as sandbox:
            reader = make_reader(sandbox)
            whole = list(reader.sessions("2026-01-01", "2026-01-03"))
            assert len(whole) == 1
            size = answer_size(sandbox, "2026-01-01", "2026-01-03")
            for at in range(0, size, 7):
                sandbox.fault("truncated", at=at, path=EXPORT)
                assert list(reader.sessions("2026-01-01", "2026-01-03")) == whole
            assert sandbox.count("POST", EXPORT) == 2 + 2 * len(range(0, size, 7))

    @pytest.mark.parametrize(
        ("body", "said"),
        [
            ({"error": "no"}, "it is something else, .* it is a JSON object"),
            ({"sessions": []}, "it is something else"),
            ("<html></html>", "it is an HTML page"),
            ("null", "it is something else"),
            ('"text"', "it is something else"),
            ("[1, 2", "it breaks off"),
            ('[{"_id": "a"}] and more', "not JSON from some byte on"),
            ("[{]", "not JSON from some byte on"),
            ('[{"_id": NaN}]', "not JSON from some byte on"),
            (b'[{"_id": "\xff\xfe"}]', "not JSON from some byte on"),
            ("", "it is empty|it breaks off"),
            ("   ", "it is empty|it breaks off"),
        ],
    )
    def test_an_answer_that_is_no_array_is_asked_for_again_and_then_an_error(self, reader, sandbox, body, said):
        sandbox.fault("status", status=200, body=body, path=EXPORT, times=None)
        with pytest.raises(errors.MaestroQAServerError, match=f"no complete JSON array of records.*{said}"):
            list(reader.sessions("2026-01-01", "2026-01-13"))
        assert len(asked(sandbox)) == 5

    def test_items_that_are_no_records_are_an_error(self, reader, sandbox):
        sandbox.fault("status", status=200, body=[{"_id": "a"}, 7], path=EXPORT)
        with pytest.raises(errors.MaestroQADataError, match="Item 1 of the response"):
            list(reader.sessions("2026-01-01", "2026-01-13"))

    @pytest.mark.parametrize(
        "fault", [{"kind": "status", "status": 503}, {"kind": "rate_limited", "text": "minute"}, {"kind": "html"}]
    )
    def test_a_window_that_fails_for_a_while_is_asked_for_again(self, reader, sandbox, fault):
        sandbox.fault(**fault, path=EXPORT, after=1, times=2)
        assert list(reader.sessions(*YEAR)) == sandbox.exported_sessions(*YEAR)
        assert len(asked(sandbox)) == 7

    @pytest.mark.parametrize("status", [400, 401, 403, 404])
    def test_a_refusal_is_not_repeated(self, reader, sandbox, status):
        sandbox.fault("status", status=status, path=EXPORT, times=None)
        with pytest.raises(errors.MaestroQAAPIError, match=f"answered {status}"):
            list(reader.sessions(*YEAR))
        assert len(asked(sandbox)) == 1

    def test_sessions_without_ids_come_and_are_counted(self, reader, sandbox):
        sandbox.fault("no_id", at=4, path=EXPORT)
        found = list(reader.sessions("2026-01-01", "2026-04-01"))
        assert len(found) == len(sandbox.exported_sessions("2026-01-01", "2026-04-01"))
        assert sum("_id" not in session for session in found) == 4
        assert len(reader.warned) == 1
        assert "4 had no _id" in reader.warned[0]

    def test_a_session_without_an_id_on_the_day_that_two_windows_share_comes_once(self, make_reader):
        with Sandbox(limits={}, coaching_sessions=1500) as sandbox:
            reader = make_reader(sandbox)
            sandbox.fault("no_id", at=10**6, path=EXPORT, times=None)
            found = list(reader.sessions(*YEAR))
            assert len(found) == len(sandbox.exported_sessions(*YEAR))

    def test_equal_sessions_without_ids_in_one_window_are_two(self, reader, sandbox):
        sandbox.fault("status", status=200, body=[{"a": 1}, {"a": 1}], path=EXPORT)
        assert list(reader.sessions("2026-01-01", "2026-01-13")) == [{"a": 1}, {"a": 1}]

    def test_a_session_that_comes_twice_in_one_window_comes_once_with_a_warning(self, reader, sandbox):
        sandbox.fault("status", status=200, body=[{"_id": "a"}, {"_id": "b"}, {"_id": "a"}], path=EXPORT)
        assert [one["_id"] for one in reader.sessions("2026-01-01", "2026-01-13")] == ["a", "b"]
        assert "1 came more than once" in reader.warned[0]

    def test_numbers_are_numbers_that_json_can_write_again(self, reader, sandbox):
        text = '[{"_id": "a", "n": [1, -7, 1.5, 85.10, 1e3, 9007199254740993, 0.1]}]'
        sandbox.fault("status", status=200, body=text, path=EXPORT)
        (found,) = reader.sessions("2026-01-01", "2026-01-13")
        assert json.loads(json.dumps(found)) == json.loads(text)[0]
        assert [type(one) for one in found["n"]] == [int, int, float, float, float, int, float]

    def test_no_sessions_at_all_are_no_error(self, reader, sandbox):
        assert list(reader.sessions("2021-01-01", "2021-12-01")) == []


class TestTemporaryFile:
    """Where an answer is kept until it is whole."""

    def test_it_has_no_name_and_goes_with_the_window(self, reader, sandbox, tmp_path, monkeypatch):
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

        def opened():
            links = [str(entry.readlink()) for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()]
            return sum(str(tmp_path) in path for path in links)

        sessions = reader.sessions(*YEAR)
        next(sessions)
        assert list(tmp_path.iterdir()) == []
        # Only Linux shows the open files of a process.
        has_proc = Path("/proc/self/fd").is_dir()
        assert not has_proc or opened() == 1
        del sessions
        assert not has_proc or opened() == 0

    def test_a_full_disk_is_named_with_a_remedy(self, reader, sandbox, mocker):
        class Full:
            def __init__(self, file):
                self.file = file

            def write(self, block):
                raise OSError(errno.ENOSPC, "No space left on device")

            def __getattr__(self, name):
                return getattr(self.file, name)

        real = tempfile.TemporaryFile
        mocker.patch.object(temp_file.tempfile, "TemporaryFile", lambda **options: Full(real(**options)))
        with pytest.raises(errors.MaestroQAError, match=r"No space left on device.*TMPDIR") as caught:
            list(reader.sessions("2026-01-01", "2026-01-13"))
        assert caught.value.retryable
        assert len(asked(sandbox)) == 1

    def test_a_folder_that_is_not_there_is_named_with_a_remedy(self, reader, sandbox, monkeypatch, tmp_path):
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
        with pytest.raises(errors.MaestroQAError, match=r"No temporary file can be made in .*nowhere.*TMPDIR"):
            list(reader.sessions("2026-01-01", "2026-01-13"))
        assert asked(sandbox) == []
