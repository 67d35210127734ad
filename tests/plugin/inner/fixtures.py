import json
import os

import pytest
import requests

from airflow_provider_maestroqa.sandbox import REAL_LIMITS, Fault


def connection(conn_id="MAESTROQA_DEFAULT"):
    return json.loads(os.environ[f"AIRFLOW_CONN_{conn_id}"])


def ask(sandbox, method, path, **given):
    return requests.request(method, sandbox.url + path, headers={"apitoken": sandbox.token}, timeout=10, **given)


@pytest.fixture
def asked_for_one_export(maestroqa_sandbox):
    answer = ask(maestroqa_sandbox, "POST", "/api/v1/request-groups-export", json={})
    return answer.json()["exportId"]


def test_the_connection_leads_to_the_sandbox(maestroqa_sandbox):
    fields = connection()
    assert (fields["host"], fields["password"]) == (maestroqa_sandbox.url, maestroqa_sandbox.token)


def test_an_export_is_complete_at_the_first_poll(maestroqa_sandbox, asked_for_one_export):
    answer = ask(maestroqa_sandbox, "GET", "/api/v1/get-export-data", json={"exportId": asked_for_one_export})
    assert answer.json()["status"] == "complete"


@pytest.mark.maestroqa_sandbox(polls=1)
def test_polls_make_it_take_longer(maestroqa_sandbox, asked_for_one_export):
    answer = ask(maestroqa_sandbox, "GET", "/api/v1/get-export-data", json={"exportId": asked_for_one_export})
    assert answer.json()["status"] != "complete"


def test_there_are_no_limits(maestroqa_sandbox):
    codes = {ask(maestroqa_sandbox, "GET", "/api/v1/todos?count=1").status_code for _ in range(15)}
    assert codes == {200}
    assert connection()["extra"]["rate_limits"]["normal"][0][0] > 1000


@pytest.mark.maestroqa_sandbox(limits=REAL_LIMITS)
def test_the_real_limits_hold_at_both_ends(maestroqa_sandbox):
    codes = [ask(maestroqa_sandbox, "GET", "/api/v1/todos?count=1").status_code for _ in range(12)]
    assert 429 in codes
    extra = connection()["extra"]
    assert extra["rate_limits"]["normal"] == [[10, 1], [100, 60]]
    assert extra["rate_limit_store"].startswith("/")


@pytest.mark.maestroqa_sandbox(conn_id=["quality_emea", "quality_apac"], extra={"timeout": 2})
def test_other_connections(maestroqa_sandbox):
    assert {connection(name)["host"] for name in ("QUALITY_EMEA", "QUALITY_APAC")} == {maestroqa_sandbox.url}
    assert connection("QUALITY_EMEA")["extra"]["timeout"] == 2
    assert "AIRFLOW_CONN_MAESTROQA_DEFAULT" not in os.environ


@pytest.mark.maestroqa_sandbox(clock=lambda: 1_800_000_000.0)
def test_the_clock_is_the_tests(maestroqa_sandbox):
    ask(maestroqa_sandbox, "GET", "/api/v1/todos?count=1")
    assert [seen.at for seen in maestroqa_sandbox.requests] == [1_800_000_000.0]


@pytest.mark.maestroqa_sandbox(agents=3, rows=7)
class TestOfAClass:
    def test_has_the_options_of_its_class(self, maestroqa_sandbox):
        assert len(maestroqa_sandbox.agents) == 3

    @pytest.mark.maestroqa_sandbox(agents=1)
    def test_may_change_one_of_them(self, maestroqa_sandbox):
        assert len(maestroqa_sandbox.agents) == 1


@pytest.mark.parametrize("again", range(2))
def test_nothing_is_left_from_test_to_test(maestroqa_sandbox, again):
    assert (maestroqa_sandbox.requests, maestroqa_sandbox.tickets) == ([], {})
    maestroqa_sandbox.add_tickets(["t-1"])
    maestroqa_sandbox.fault(Fault("status", times=None))
    assert ask(maestroqa_sandbox, "GET", "/api/v1/todos").status_code == 500


def test_the_sandbox_is_reached_without_a_proxy(maestroqa_sandbox, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert ask(maestroqa_sandbox, "GET", "/api/v1/todos").status_code == 200


def test_the_environment_is_as_it_was():
    assert not [name for name in os.environ if name.startswith("AIRFLOW_CONN_")]
    assert os.environ.get("NO_PROXY") == "internal.example.com"
