from __future__ import annotations

import builtins
import json
import re
import shutil
import sqlite3
from datetime import datetime, timezone
from urllib.parse import quote, quote_plus

import pytest

from airflow_provider_maestroqa._compat import AirflowFailException
from airflow_provider_maestroqa.client.errors import MaestroQADataError
from airflow_provider_maestroqa.sandbox import Sandbox
from airflow_provider_maestroqa.transfers.sql_to_maestroqa import SqlToMaestroQAOperator

PATH = "/api/v1/ticket-metrics-batch"
COUNT = 1_250
SQL = "SELECT * FROM scores ORDER BY ticket"
MAPPING = {
    "ticket_id": "ticket",
    "source_id": {"value": "zendesk"},
    "agent_id": "agent",
    "metric_id": {"value": "csat"},
    "metric_value": "score",
    "timestamp": "at",
}


@pytest.fixture(scope="module")
def running():
    with Sandbox(limits={}, unknown_tickets="accept") as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running):
    running.reset()
    return running


def fill(connection, numbers):
    connection.executemany(
        "INSERT INTO scores VALUES (?, ?, ?, '2026-01-31 12:00:00', ?)",
        ((f"{n:05d}", f"agent-{n % 20 + 1}", n + 0.5, f"Team {n % 3}") for n in numbers),
    )
    connection.commit()


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    path = tmp_path_factory.mktemp("warehouse") / "warehouse.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE scores (ticket TEXT, agent TEXT, score REAL, at TEXT, team TEXT)")
    fill(connection, range(COUNT))
    connection.close()
    return path


@pytest.fixture
def database(filled, tmp_path, monkeypatch):
    """A SQLite file with scores, and Airflow's connection ``warehouse`` to it."""
    path = shutil.copy(filled, tmp_path / "warehouse.db")
    connection = sqlite3.connect(path)
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps({"conn_type": "sqlite", "host": str(path)}))
    yield connection
    connection.close()


@pytest.fixture
def push(connection, database, sandbox):
    """Push the rows of a query; the report."""

    def run(context=None, **changed):
        arguments = {
            "sql": SQL,
            "sql_conn_id": "warehouse",
            "resource": "ticket_metrics",
            "mapping": MAPPING,
            "timezone": "UTC",
            **changed,
        }
        return SqlToMaestroQAOperator(task_id="push", **arguments).execute({} if context is None else context)

    return run


def test_ten_thousand_rows_arrive_in_batches(push, database, sandbox):
    fill(database, range(COUNT, 10_050))
    report = push()
    assert (report["resource"], report["confirmed"], report["requests"]) == ("ticket_metrics", 10_050, 21)
    there = {key[1]: metric["metric_value"] for key, metric in sandbox.ticket_metrics.items()}
    assert there == {f"{n:05d}": n + 0.5 for n in range(10_050)}
    metric = sandbox.ticket_metrics["csat", "00007", "zendesk", "agent-8", None]
    assert metric == {
        "ticket_id": "00007",
        "source_id": "zendesk",
        "agent_id": "agent-8",
        "metric_id": "csat",
        "metric_value": 7.5,
        "timestamp": "2026-01-31T12:00:00Z",
    }


def test_parameters_are_bound_and_never_written_into_the_text(push, sandbox):
    sql = "SELECT * FROM scores WHERE ticket < :before AND team <> :team ORDER BY ticket"
    hostile = "' OR 1=1; DROP TABLE scores; --"
    assert push(sql=sql, parameters={"before": "00012", "team": "Team 0"})["confirmed"] == 8
    assert push(sql=sql, parameters={"before": hostile, "team": hostile})["confirmed"] == 0
    assert push()["confirmed"] == COUNT


def test_columns_need_no_mapping_when_they_are_fields(push, sandbox):
    sql = """
    SELECT ticket AS TICKET_ID, 'zendesk' AS SOURCE_ID, agent AS AGENT_ID, 'csat' AS METRIC_ID,
        score AS METRIC_VALUE, at || 'Z' AS TIMESTAMP
    FROM scores WHERE ticket < '00003' ORDER BY ticket;
    """
    assert push(sql=sql, mapping=None, timezone=None)["confirmed"] == 3


def test_tickets_are_updated_first_when_most_are_there(push, sandbox):
    sandbox.add_tickets([f"{n:05d}" for n in range(4)])
    sql = "SELECT ticket, agent, team FROM scores WHERE ticket < '00004' ORDER BY ticket"
    mapping = {"ticket_id": "ticket", "type": {"value": "chat"}, "subject": "team", "agents": "agent"}
    mapping |= {"link": {"value": "https://helpdesk.example.com"}, "attributes.group": "team"}
    report = push(sql=sql, resource="tickets", mapping=mapping, update_first="True")
    assert (report["updated"], report["requests"]) == (4, 4)
    assert sandbox.tickets["00001"]["attributes"] == {"group": "Team 1"}
    with pytest.raises(AirflowFailException, match="update_first is for tickets only"):
        push(update_first=True)


def test_no_rows_are_a_success_without_a_request(push, sandbox):
    report = push(sql="SELECT * FROM scores WHERE 1 = 0")
    assert (report["confirmed"], report["requests"], sandbox.requests) == (0, 0, [])


def test_a_bad_row_is_named_and_the_rest_collected(push, database, tmp_path, sandbox):
    database.execute("UPDATE scores SET score = 'high' WHERE ticket = '00041'")
    database.commit()
    with pytest.raises(
        AirflowFailException, match=r"Record 41 \(row 42\) .* metric_value must be a number .* 'high'"
    ):
        push()
    rejects = tmp_path / "rejects.jsonl"
    report = push(on_error="collect", rejects_path=f"file://{rejects}")
    assert (report["confirmed"], report["rejected"]) == (COUNT - 1, 1)
    (line,) = [json.loads(text) for text in rejects.read_text().splitlines()]
    assert (line["index"], line["place"], line["record"]["metric_value"]) == (41, "row 42", "high")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"mapping": {**MAPPING, "metric": "score"}}, r"'metric' is no field of a ticket metric"),
        (
            {"mapping": {**MAPPING, "agent_id": "who"}},
            r"connection 'warehouse' has no column 'who'.* It has: 'ticket'",
        ),
        ({"mapping": None}, r"the column 'ticket' is no field of a ticket metric"),
        ({"resource": "scores"}, r"resource must be one of ticket_metrics, agent_metrics, comments, "),
        ({"sql": ""}, r"sql must be one statement"),
        ({"sql": [SQL]}, r"sql must be one statement as text, got list"),
        ({"sql": f"{SQL}; SELECT 2"}, r"must be one statement that returns rows, and holds 2"),
        ({"sql": "-- nothing"}, r"must be one statement that returns rows, and holds 0"),
        ({"sql": "UPDATE scores SET score = 1"}, r"returns no rows"),
        ({"parameters": "00001"}, r"parameters must be a list or a dict of values, got str"),
        ({"chunk_size": 0}, r"chunk_size must be a whole number, 1 or more, got 0"),
        ({"chunk_size": "many"}, r"chunk_size must be a whole number"),
        ({"timezone": "Mars"}, r"timezone must be the name of a time zone"),
        ({"sql_conn_id": "nowhere"}, r"There is no connection 'nowhere'"),
        ({"sql_conn_id": None}, r"sql_conn_id must be text that is not empty, got None"),
        (
            {"sql_conn_id": "maestroqa_default"},
            r"'maestroqa_default' of the type 'maestroqa' is none to a SQL database",
        ),
    ],
)
def test_what_cannot_work_fails_at_once_and_sends_nothing(push, sandbox, changed, message):
    with pytest.raises(AirflowFailException, match=message):
        push(**changed)
    assert sandbox.requests == []


def test_a_connection_of_a_type_that_nothing_is_installed_for_is_told(push, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps({"conn_type": "nodb", "host": "x"}))
    with pytest.raises(AirflowFailException, match=r"'warehouse' of the type 'nodb' is none to a SQL database.*nodb"):
        push()


def test_without_the_sql_provider_the_extra_is_named(push, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("airflow.providers.common.sql"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(AirflowFailException, match=r"pip install 'airflow-provider-maestroqa\[sql\]'"):
        push()


def test_an_update_that_is_refused_is_not_carried_out(push, database):
    with pytest.raises(AirflowFailException):
        push(sql="UPDATE scores SET score = 1")
    assert database.execute("SELECT count(*) FROM scores WHERE score = 1").fetchone() == (0,)


def test_an_error_of_the_database_is_worth_a_retry_and_in_its_own_words(push, sandbox):
    with pytest.raises(MaestroQADataError, match=r"'warehouse' failed: no such table: grades \(OperationalError\)"):
        push(sql="SELECT * FROM grades")
    assert sandbox.requests == []


@pytest.mark.parametrize(
    "secret", ["two  blanks in it", "line\nbreak\tin it", 'it\'s "quoted" \\ here', "plain-w0rd", "p@ss/w0rd %41"]
)
@pytest.mark.parametrize("place", ["password", "extra", "nested", "json", "url"])
def test_no_form_of_a_secret_is_in_the_error_of_a_driver(push, monkeypatch, database, secret, place):
    from airflow.providers.sqlite.hooks.sqlite import SqliteHook

    written = [secret, " ".join(secret.split()), repr(secret), repr(repr(secret)), repr({"password": secret})]
    written += [json.dumps({"a": secret}), json.dumps(json.dumps({"a": secret})), quote(secret), quote_plus(secret)]

    def refuse(self):
        raise sqlite3.OperationalError("cannot log in with " + " | ".join(written))

    fields = {"conn_type": "sqlite", "host": "x", "login": "ann"}
    fields |= {
        "password": {"password": secret},
        "extra": {"extra": {"private_key_content": secret}},
        "nested": {"extra": {"connect_args": [{"Password": secret}]}},
        "json": {"extra": {"keyfile_dict": json.dumps({"project": "p", "private_key": secret})}},
        "url": {"extra": {"dsn": f"postgresql://ann:{quote(secret, safe='')}@host/db"}},
    }[place]
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps(fields))
    monkeypatch.setattr(SqliteHook, "get_conn", refuse)
    with pytest.raises(MaestroQADataError) as caught:
        push()
    said = str(caught.value)
    assert "cannot log in with" in said
    parts = [part for part in re.split(r"[^a-z0-9]+", secret) if len(part) > 4]
    assert not any(part in said for part in parts), said
    assert caught.value.__context__ is None


@pytest.fixture
def opened(monkeypatch):
    """The connections that were made to the database."""
    from airflow.providers.sqlite.hooks.sqlite import SqliteHook

    real, made = SqliteHook.get_conn, []

    def remember(self):
        made.append(real(self))
        return made[-1]

    monkeypatch.setattr(SqliteHook, "get_conn", remember)
    return made


@pytest.mark.parametrize("ends", ["well", "with a bad record", "with a bad mapping", "with a refusal"])
def test_the_connection_is_closed_however_it_ends(push, opened, database, sandbox, ends):
    changed = {}
    if ends == "with a bad record":
        database.execute("UPDATE scores SET score = NULL WHERE ticket = '00700'")
        database.commit()
    elif ends == "with a bad mapping":
        changed = {"mapping": {**MAPPING, "agent_id": "who"}}
    elif ends == "with a refusal":
        sandbox.fault("status", status=401, path=PATH, after=1)
    if ends == "well":
        push()
    else:
        with pytest.raises(AirflowFailException):
            push(**changed)
    (connection,) = opened
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")


def test_a_retry_runs_the_query_again_and_goes_on_where_it_stopped(push, sandbox, context, task_state_store):
    sandbox.fault("status", status=401, path=PATH, after=1)
    with pytest.raises(AirflowFailException):
        push(context)
    assert len(sandbox.ticket_metrics) == 500
    assert task_state_store.values
    sent = sandbox.count("POST", PATH)
    context["ti"].try_number = 2
    report = push(context)
    assert report["confirmed"] == COUNT
    assert sandbox.count("POST", PATH) - sent == 2
    assert len(sandbox.ticket_metrics) == COUNT
    assert task_state_store.values == {}


@pytest.mark.parametrize(
    "change",
    ["UPDATE scores SET score = 0 WHERE ticket = '00100'", "DELETE FROM scores WHERE ticket = '00000'"],
)
def test_rows_that_have_changed_since_the_try_before_are_refused(push, sandbox, context, database, change):
    sandbox.fault("status", status=401, path=PATH, after=1)
    with pytest.raises(AirflowFailException):
        push(context)
    sent = sandbox.count("POST", PATH)
    database.execute(change)
    database.commit()
    with pytest.raises(AirflowFailException, match=r"The records are not those of the earlier try.*another order"):
        push(context)
    assert sandbox.count("POST", PATH) == sent


def test_rows_behind_the_position_and_columns_not_pushed_may_change(push, sandbox, context, database):
    sandbox.fault("status", status=401, path=PATH, after=1)
    with pytest.raises(AirflowFailException):
        push(context)
    database.execute("UPDATE scores SET score = 0 WHERE ticket > '00900'")
    database.execute("UPDATE scores SET team = 'other'")
    database.commit()
    assert push(context)["confirmed"] == COUNT


@pytest.mark.parametrize(
    "changed",
    [
        {"sql": f"{SQL} DESC"},
        {"parameters": []},
        {"mapping": {**MAPPING, "metric_id": {"value": "nps"}}},
        {"sql_conn_id": "other"},
    ],
)
def test_a_position_is_bound_to_the_query_and_the_mapping(push, sandbox, context, monkeypatch, changed):
    import os

    monkeypatch.setenv("AIRFLOW_CONN_OTHER", os.environ["AIRFLOW_CONN_WAREHOUSE"])
    sandbox.fault("status", status=401, path=PATH, after=1)
    with pytest.raises(AirflowFailException):
        push(context)
    with pytest.raises(AirflowFailException, match="for other arguments"):
        push(context, **changed)


def test_sql_may_be_a_file_and_all_is_rendered(tmp_path, database, connection, sandbox):
    from airflow import DAG

    (tmp_path / "scores.sql").write_text(
        "SELECT * FROM scores WHERE ticket = :ticket AND '{{ ds }}' = '2026-01-31' ORDER BY ticket\n"
    )
    with DAG("d", schedule=None, template_searchpath=str(tmp_path)):
        task = SqlToMaestroQAOperator(
            task_id="push",
            sql="scores.sql",
            sql_conn_id="{{ where }}",
            resource="{{ what }}",
            parameters={"ticket": "{{ ticket }}"},
            mapping={**MAPPING, "metric_id": {"value": "csat {{ ds }}"}},
            timezone="{{ zone }}",
            chunk_size="{{ chunk }}",
        )
    task.resolve_template_files()
    task.render_template_fields(
        {
            "ds": "2026-01-31",
            "where": "warehouse",
            "what": "ticket_metrics",
            "ticket": "00001",
            "zone": "UTC",
            "chunk": 7,
        }
    )
    assert task.execute({})["confirmed"] == 1
    (metric,) = sandbox.ticket_metrics.values()
    assert metric["metric_id"] == "csat 2026-01-31"


def test_it_can_be_mapped_over_parameters():
    from airflow import DAG

    with DAG("d", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)):
        made = SqlToMaestroQAOperator.partial(
            task_id="push", sql=SQL, sql_conn_id="warehouse", resource="ticket_metrics"
        ).expand(parameters=[{"team": "a"}, {"team": "b"}])
    assert made.task_id == "push"


def test_the_log_says_what_is_read_and_how(push, log):
    push(sql="SELECT * FROM scores WHERE ticket < '00002'", chunk_size=250)
    assert "Running the query on connection 'warehouse'." in log.text
    assert "Its rows are fetched 250 at a time." in log.text
