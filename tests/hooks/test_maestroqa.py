from __future__ import annotations

import asyncio
import json
import socket
import time

import pytest
import requests

from airflow_provider_maestroqa import _compat
from airflow_provider_maestroqa.client.budget import Clock, Wait
from airflow_provider_maestroqa.client.errors import MaestroQAConfigError, MaestroQADataError, MaestroQANotFoundError
from airflow_provider_maestroqa.get_provider_info import get_provider_info
from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook

WINDOW = ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")


@pytest.fixture
def hook(connection):
    with MaestroQAHook() as made:
        yield made


def complete(hook, sandbox, **fault):
    export_id = hook.request_raw_export(*WINDOW)
    while not (export := hook.get_export(export_id)).is_complete:
        pass
    return export


def test_each_export_has_a_method_of_its_own(hook, sandbox):
    hook.request_raw_export(*WINDOW, export_name="a", single_file_export="csat", include_grader_qa=False)
    hook.request_groups_export(export_name="b", include_unavailable=True)
    hook.request_audit_log_export(*WINDOW, export_name="c")
    assert [(seen.path, seen.body["name"]) for seen in sandbox.requests] == [
        ("/api/v1/request-raw-export", "a"),
        ("/api/v1/request-groups-export", "b"),
        ("/api/v1/request-audit-log-export", "c"),
    ]


def test_sync_and_async_see_the_same_export(hook, sandbox):
    seen = complete(hook, sandbox)
    again = asyncio.run(hook.aget_export(seen.export_id))
    assert (again.status, again.is_complete, again.has_data) == ("complete", True, True)


@pytest.mark.parametrize("look", ["get_export", "aget_export"])
def test_the_url_of_an_export_is_masked(hook, sandbox, mocker, look):
    export_id = complete(hook, sandbox).export_id
    masked = []
    mocker.patch.object(_compat, "mask_secret", side_effect=masked.append)

    async def amask(secret):
        masked.append(secret)

    mocker.patch.object(_compat, "amask_secret", side_effect=amask)
    seen = getattr(hook, look)(export_id)
    export = asyncio.run(seen) if look == "aget_export" else seen
    assert masked == [export.data_url, export.data_url.partition("?")[2]]


def test_what_is_masked_is_bounded_and_signatures_stay_out_of_logs_by_their_form(hook, sandbox, mocker, caplog):
    """Airflow's masker never forgets a text, and each one makes every line of a log slower."""
    export_id = complete(hook, sandbox).export_id
    mask = mocker.patch.object(_compat, "mask_secret")
    urls = [hook.get_export(export_id).data_url for _ in range(60)]
    sandbox.add_tickets(["T-1"])
    urls += [hook.create_attachment("T-1", "audio/mpeg")["presigned_url"] for _ in range(60)]
    assert mask.call_count <= 2 * 20
    with caplog.at_level("DEBUG", "urllib3"):
        for url in (urls[-1], urls[0]):
            requests.get(url, timeout=5)
        requests.get(f"{sandbox.url}/health?shown=1", timeout=5)
    assert "?***" in caplog.text
    assert "shown=1" in caplog.text
    assert "Signature" not in caplog.text


@pytest.mark.parametrize("export_id", [5071, "5071"])
def test_a_number_is_an_id(hook, sandbox, export_id):
    sandbox.fault(kind="status", status=200, body={"exportId": export_id}, path="/api/v1/request-groups-export")
    assert hook.request_groups_export() == "5071"


@pytest.mark.parametrize(
    "export_id", [None, True, 1.5, "", "../../x", "..", "a/b", "a b", "a\nb", "é", "x" * 201, ["a"]]
)
def test_a_response_without_an_id_is_an_error(hook, sandbox, export_id):
    """Ids become parts of paths and names of files."""
    sandbox.fault(kind="status", status=200, body={"exportId": export_id}, path="/api/v1/request-groups-export")
    with pytest.raises(MaestroQADataError, match="exportId"):
        hook.request_groups_export()


def test_our_extras_do_not_become_headers(connect, sandbox):
    connect(host=sandbox.url, timeout=7, verify=False, **{"rate_limit_store": "memory", "x-mine": "hunter2"})
    with MaestroQAHook() as hook:
        hook.request_groups_export()
        session = hook.storage_session()
    assert set(sandbox.requests[-1].headers) <= {
        "host",
        "user-agent",
        "accept",
        "accept-encoding",
        "connection",
        "content-length",
        "content-type",
        "apitoken",
    }
    assert session.verify is False
    assert "apitoken" not in {name.lower() for name in session.headers}
    assert "hunter2" not in str(session.headers)
    session.close()


def test_sessions_have_the_connections_proxies_and_tls_settings_and_keep_idle_connections_alive(
    connect, monkeypatch, tmp_path
):
    (tmp_path / "ours.pem").touch()
    proxies = {"https": "http://proxy.example.com:3128", "no_proxy": "localhost"}
    connect(host="https://maestroqa.example.com", verify=str(tmp_path / "ours.pem"), proxies=proxies)
    with MaestroQAHook() as hook, hook.storage_session() as storage:
        for session in (hook.client._session, storage):
            assert (session.verify, session.proxies) == (str(tmp_path / "ours.pem"), proxies)
            adapter = session.get_adapter("https://maestroqa.example.com")
            options = adapter.poolmanager.connection_pool_kw["socket_options"]
            assert (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1) in options
            assert (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1) in options
            if hasattr(socket, "TCP_KEEPIDLE"):
                assert (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 120) in options
            assert (adapter.max_retries.total, adapter.max_retries.read) == (0, False)


def test_the_old_name_of_the_request_stats_still_works(connect, sandbox):
    connect(host=sandbox.url)
    with MaestroQAHook() as hook:
        hook.request_groups_export()
        with pytest.warns(DeprecationWarning, match="request_stats"):
            assert hook.usage.requests == 1


def test_the_hook_hands_its_clock_down(connect, sandbox, mocker):
    slept = []
    mocker.patch.object(MaestroQAHook, "clock", Clock(sleep=slept.append))
    connect(host=sandbox.url)
    sandbox.fault(kind="status", status=503, path="/api/v1/todos/x", times=2)
    with MaestroQAHook() as hook:
        with pytest.raises(MaestroQANotFoundError):
            hook.get_todo("x")
        assert len(slept) == 2
        hook.wait_for_export(hook.request_groups_export(), poll_interval=7, deadline=time.time() + 60)
        assert slept[2] == pytest.approx(7, rel=0.2)
        assert hook._budget.clock is hook.clock


def test_a_login_in_the_connection_is_not_sent(monkeypatch, sandbox):
    fields = {"conn_type": "maestroqa", "host": sandbox.url, "login": "me", "password": sandbox.token}
    monkeypatch.setenv(
        "AIRFLOW_CONN_MAESTROQA_DEFAULT", json.dumps({**fields, "extra": {"rate_limit_store": "memory"}})
    )
    with MaestroQAHook() as hook:
        hook.request_groups_export()
    assert "authorization" not in sandbox.requests[-1].headers


def test_a_connection_may_be_written_as_a_uri(monkeypatch, sandbox):
    address = sandbox.url.removeprefix("http://")
    monkeypatch.setenv(
        "AIRFLOW_CONN_MAESTROQA_DEFAULT",
        f"maestroqa://:{sandbox.token}@{address}/http?rate_limit_store=memory&timeout=5",
    )
    with MaestroQAHook() as hook:
        assert hook.request_groups_export() in sandbox.exports
        assert hook.settings.timeout_s == 5.0


class TestTestConnection:
    """What the *Test* button says."""

    def test_one_request_that_only_reads_is_sent(self, hook, sandbox):
        assert hook.test_connection() == (True, f"MaestroQA accepts the token at {sandbox.url}.")
        assert [(seen.method, seen.path) for seen in sandbox.requests] == [("GET", "/api/v1/todos")]

    def test_an_invalid_token_is_explained(self, connect, sandbox):
        connect(host=sandbox.url, password="an-old-token")
        works, said = MaestroQAHook().test_connection()
        assert not works
        assert "90 days" in said
        assert len(sandbox.requests) == 1

    @pytest.mark.parametrize(
        ("fields", "said"),
        [
            ({"host": "http://127.0.0.1:9"}, "could not be reached"),
            ({"host": "http://maestroqa.example.com"}, "in the clear"),
            ({"host": "https://127.0.0.1:9", "password": ""}, "password is empty"),
        ],
    )
    def test_what_cannot_work_is_a_clear_error(self, connect, fields, said):
        connect(**fields)
        works, message = MaestroQAHook().test_connection()
        assert not works
        assert said in message

    def test_a_server_that_is_no_maestroqa_is_found_out(self, hook, sandbox):
        sandbox.fault(kind="status", status=404, path="/api/v1/todos")
        assert hook.test_connection() == (False, f"{sandbox.url} answers, but not as MaestroQA does. Check the host.")

    def test_a_failure_is_not_repeated_while_a_person_waits(self, hook, sandbox):
        sandbox.fault(kind="status", status=500, path="/api/v1/todos", times=None)
        works, _ = hook.test_connection()
        assert not works
        assert len(sandbox.requests) == 1


def test_a_value_that_is_no_id_is_an_error(hook, sandbox):
    with pytest.raises(MaestroQAConfigError, match="export_id"):
        hook.get_export("None")
    assert sandbox.requests == []


def test_the_form_is_the_same_in_both_spellings():
    form = get_provider_info()["connection-types"][0]
    behaviour = MaestroQAHook.get_ui_field_behaviour()
    assert behaviour["relabeling"] == form["ui-field-behaviour"]["relabeling"]
    assert behaviour["hidden_fields"] == form["ui-field-behaviour"]["hidden-fields"]
    assert form["hook-class-name"] == f"{MaestroQAHook.__module__}.{MaestroQAHook.__qualname__}"
    assert form["connection-type"] == MaestroQAHook.conn_type


def test_older_airflows_find_the_form_in_the_class_itself():
    assert {"get_ui_field_behaviour", "get_connection_form_widgets"} <= set(vars(MaestroQAHook))


@pytest.mark.parametrize("look", ["settings", "aclient"])
def test_passwords_that_airflow_may_not_know_are_masked(monkeypatch, mocker, look):
    fields = {
        "conn_type": "maestroqa",
        "password": " a-token\n",
        "extra": {"proxies": "http://me:hunter2@proxy:3128"},
    }
    fields["extra"]["rate_limit_store"] = "redis://:hunter3@redis/0"
    monkeypatch.setenv("AIRFLOW_CONN_MAESTROQA_DEFAULT", json.dumps(fields))
    masked = []
    mocker.patch.object(_compat, "mask_secret", side_effect=masked.append)
    mocker.patch.object(_compat, "amask_secret", mocker.AsyncMock(side_effect=masked.append))
    hook = MaestroQAHook()
    if look == "settings":
        _ = hook.settings
    else:
        asyncio.run(hook.aclient())
    assert {"a-token", "hunter2", "hunter3"} <= set(masked)


def test_the_widgets_of_older_airflows_cover_every_field():
    pytest.importorskip("wtforms", reason="only Airflow 2 always has the library of these widgets")
    widgets = MaestroQAHook.get_connection_form_widgets()
    assert set(widgets) == set(get_provider_info()["connection-types"][0]["conn-fields"])


class TestVisibleBudget:
    """What a user sees of the token's request budget."""

    @pytest.fixture
    def sent(self, mocker):
        return mocker.patch.object(_compat, "Stats", create=True)

    @pytest.mark.parametrize("look", ["get_export", "aget_export"])
    def test_requests_rate_limits_and_waits_become_metrics_by_bucket(self, connect, sandbox, sent, look):
        connect(host=sandbox.url, rate_limits={"normal": [[2, 0.1]]})
        with MaestroQAHook() as hook:
            export_id = hook.request_groups_export()
            sandbox.fault(kind="rate_limited", text="second", path="/api/v1/get-export-data")
            seen = getattr(hook, look)(export_id)
            if look == "aget_export":
                asyncio.run(seen)
            assert (hook.request_stats.requests, hook.request_stats.rate_limited) == (3, 1)
            assert hook.request_stats.waited_s > 0
        increments = [(call.args[0], call.kwargs["tags"]) for call in sent.incr.call_args_list]
        assert increments.count(("maestroqa.requests", {"bucket": "normal"})) == 3
        assert increments.count(("maestroqa.refusals", {"bucket": "normal"})) == 1
        assert sent.timing.call_args.args[0] == "maestroqa.waited"
        assert sent.timing.call_args.args[1] > 0

    def test_a_long_wait_is_logged_while_it_happens_and_summed_up_at_the_end(self, hook, mocker):
        log = mocker.patch.object(type(hook), "log", create=True)
        hook._log_wait(Wait("normal", 42.0, (100, 60.0), 7))
        hook._log_wait(Wait("normal", 1.0, (100, 60.0), 7))
        hook.request_stats.count_request("normal", waited_s=42.0)
        hook.close()
        told = [call.args[0] % call.args[1:] for call in log.info.call_args_list]
        assert len(told) == 2
        assert told[0].startswith("Waiting 42 s for the normal request budget (100 requests in 60 s are all that")
        assert told[0].endswith("; 7 ahead).")
        assert told[1] == ("Waited 42 s in total for the token's request budget: 1 request, 0 of them rate limited.")
