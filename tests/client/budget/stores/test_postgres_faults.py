"""What can happen to a PostgreSQL server: it stops, freezes, restarts, forgets, refuses, or its clock is set back."""

from __future__ import annotations

import contextlib
import threading
import time
import traceback
from urllib.parse import quote

import pytest
from postgres_server import PASSWORD

from airflow_provider_maestroqa.client.budget.limits import make_rules
from airflow_provider_maestroqa.client.budget.slot_log import SlotRequest
from airflow_provider_maestroqa.client.budget.stores.postgres import TABLE, PostgresStore, _lock_number
from airflow_provider_maestroqa.client.errors import MaestroQAConfigError, MaestroQAConnectionError

RULES = make_rules({"normal": [(2, 10.0)]}, {10.0: 0.0})["normal"]


@pytest.fixture
def guest(postgres_server):
    """A user without any right, whose URL is returned."""
    postgres_server.run(
        "REVOKE CREATE ON DATABASE postgres FROM PUBLIC", "CREATE ROLE guest LOGIN PASSWORD 'let-me-in'"
    )
    yield f"postgresql://guest:let-me-in@127.0.0.1:{postgres_server.port}/postgres"
    postgres_server.run(
        "DROP SCHEMA IF EXISTS maestroqa_budget CASCADE", "DROP OWNED BY guest CASCADE", "DROP ROLE guest"
    )


def test_a_new_timeline_makes_everybody_wait_for_a_window(postgres_server, monkeypatch):
    """A standby that takes over may lack the last bookings; it begins a new timeline."""
    store = PostgresStore(postgres_server.url, timeout=2)
    store.book("log", RULES, SlotRequest())
    monkeypatch.setattr(store, "_server", "0000002A")
    assert store.book("log", RULES, SlotRequest()).wait == pytest.approx(RULES.longest)
    assert store.book("log", RULES, SlotRequest()).wait == pytest.approx(RULES.longest, abs=0.5)
    store.close()


@pytest.mark.parametrize("is_new", [False, True])
@pytest.mark.parametrize("forget", ["DELETE FROM maestroqa_budget.log", "DROP SCHEMA maestroqa_budget CASCADE"])
def test_one_who_has_sent_makes_everybody_wait_when_the_log_was_emptied(postgres_server, on_server, forget, is_new):
    budget = on_server(postgres_server.url, limits={"normal": [[1, 0.6]]})
    budget.acquire("normal")
    sleeper = None if is_new else threading.Thread(target=budget.acquire, args=("normal",))
    if sleeper:
        sleeper.start()
        time.sleep(0.1)
    postgres_server.run(forget)
    if is_new:
        assert budget.acquire("normal") > 0.3
    else:
        began = time.monotonic()
        sleeper.join()
        assert 0.3 < time.monotonic() - began < 3


def test_an_older_copy_of_the_log_makes_those_wait_who_booked_later(postgres_server, on_server, worst):
    budget, slots = on_server(postgres_server.url, limits={"normal": [[6, 0.8]]}), []

    def take(count):
        for _ in range(count):
            budget.acquire("normal")
            slots.append(time.monotonic())

    take(1)
    [copy] = postgres_server.run("SELECT document FROM maestroqa_budget.log")
    take(4)
    with contextlib.closing(postgres_server.client()) as client:
        client.cursor().execute("UPDATE maestroqa_budget.log SET document = %s", copy)
    take(6)
    assert worst(slots, 0.7) <= 6


@pytest.mark.parametrize("stopped", [False, True])
def test_a_client_that_dies_or_stalls_inside_its_transaction_keeps_the_lock_for_a_moment_only(
    postgres_server, on_server, stopped
):
    budget = on_server(postgres_server.url, timeout=4.0)
    budget.acquire("normal")
    holder = postgres_server.client()
    holder.cursor().execute(
        "BEGIN; SET LOCAL idle_in_transaction_session_timeout = '500ms'; SELECT pg_advisory_xact_lock(%s)",
        (_lock_number(budget.log_name("normal")),),
    )
    if not stopped:
        threading.Timer(0.3, holder.close).start()
    began = time.monotonic()
    budget.acquire("normal")
    assert 0.2 < time.monotonic() - began < 3
    with contextlib.suppress(Exception):
        holder.close()


@pytest.mark.parametrize(
    ("user", "database", "reason"),
    [
        ("maestro:wr0ng-s3cret@", "postgres", "password authentication failed"),
        ("maestro@", "postgres", "no password supplied"),
        (f"nobody-known:{PASSWORD}@", "postgres", "authentication failed"),
        (f"maestro:{PASSWORD}@", "no_such_database", "does not exist"),
    ],
)
def test_wrong_credentials_are_an_error_at_once_that_repeats_no_password(
    postgres_server, on_server, user, database, reason, monkeypatch
):
    monkeypatch.delenv("PGPASSWORD", raising=False)
    began = time.monotonic()
    with pytest.raises(MaestroQAConfigError, match=reason) as error:
        on_server(f"postgresql://{user}127.0.0.1:{postgres_server.port}/{database}", timeout=5.0).acquire("normal")
    assert time.monotonic() - began < 3
    assert not error.value.retryable
    message = "".join(traceback.format_exception(error.value)) + repr(error.value)
    assert "wr0ng-s3cret" not in message
    assert PASSWORD not in message
    assert error.value.__cause__ is None


def test_a_user_who_may_not_create_the_schema_is_told_and_may_use_one_that_is_there(
    guest, postgres_server, on_server
):
    with pytest.raises(MaestroQAConfigError, match="right to create the schema maestroqa_budget"):
        on_server(guest, timeout=5.0).acquire("normal")
    postgres_server.run(
        TABLE,
        "GRANT USAGE ON SCHEMA maestroqa_budget TO guest",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON maestroqa_budget.log TO guest",
    )
    assert on_server(guest, timeout=5.0).acquire("normal") < 1


def test_a_server_that_only_reads_is_waited_for_until_it_takes_over(postgres_server, on_server):
    reader = f"{postgres_server.url}?options={quote('-c default_transaction_read_only=on')}"
    on_server(postgres_server.url).acquire("normal")
    with pytest.raises(MaestroQAConnectionError, match="read-only"):
        on_server(reader, timeout=0.3).acquire("normal")


def test_a_row_that_somebody_else_has_written_is_a_clear_error_and_stays(postgres_server, on_server):
    budget = on_server(postgres_server.url)
    budget.acquire("normal")
    postgres_server.run("UPDATE maestroqa_budget.log SET document = '{\"version\": 99}'")
    with pytest.raises(MaestroQAConfigError, match=r"no request budget of this version \(another version\)"):
        budget.acquire("normal")
    assert postgres_server.run("SELECT document FROM maestroqa_budget.log") == [('{"version": 99}',)]


@pytest.mark.parametrize(
    "url",
    ["postgresql://u:s3cret@h/x?nonsense=s3cret", "postgresql://u:s3cret@h/x?connect_timeout=%zz"],
)
def test_options_that_libpq_does_not_know_are_a_clear_error(on_server, url):
    with pytest.raises(MaestroQAConfigError, match="cannot be used as a PostgreSQL URL") as error:
        on_server(url).acquire("normal")
    assert "s3cret" not in "".join(traceback.format_exception(error.value))


@pytest.mark.parametrize("url", ["postgresql://", "postgresql://host", "postgresql://host:none/x", "postgres:///x"])
def test_a_url_without_host_or_database_is_a_clear_error_before_anything_is_sent(on_server, url):
    with pytest.raises(MaestroQAConfigError, match="looks like postgresql://user:password@host:5432/database"):
        on_server(url)


def test_a_url_as_sqlalchemy_has_it_works(postgres_server, on_server):
    on_server(postgres_server.url.replace("postgresql://", "postgresql+psycopg2://")).acquire("normal")


def test_a_connection_is_not_held_by_one_who_waits_long(postgres_server):
    store = PostgresStore(postgres_server.url, timeout=2)
    held = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%maestroqa_budget%' AND pid <> pg_backend_pid()"
    store.book("log", RULES, SlotRequest())
    assert postgres_server.run(held) == [(1,)]
    while store.book("log", RULES, SlotRequest()).wait < 5:
        pass
    until = time.monotonic() + 5
    while postgres_server.run(held) != [(0,)]:
        assert time.monotonic() < until
        time.sleep(0.01)
    assert store.book("log", RULES, SlotRequest()).wait > 5
    store.close()


def test_a_connection_is_kept_where_other_callers_of_the_process_come_back_soon(postgres_server):
    store, opened = PostgresStore(postgres_server.url, timeout=2), []
    rules = make_rules({"normal": [(1, 2.0)]}, {2.0: 0.0})["normal"]
    connect = store._connection.open
    store._connection.open = lambda: opened.append(1) if connect() else None
    waits = [store.book("log", rules, SlotRequest()).wait for _ in range(8)]
    store.close()
    assert waits[-1] > 10
    assert len(opened) <= 1


def test_rows_that_no_longer_matter_are_deleted(postgres_server):
    store = PostgresStore(postgres_server.url, timeout=2)
    for token in range(20):
        store.book(f"{token}", RULES, SlotRequest())
    postgres_server.run("UPDATE maestroqa_budget.log SET expires = now() - interval '1 s' WHERE budget < '5'")
    expired = postgres_server.run("SELECT count(*) FROM maestroqa_budget.log WHERE expires < now()")[0][0]
    assert expired > 5
    store.book("one more", RULES, SlotRequest())
    assert postgres_server.run("SELECT count(*) FROM maestroqa_budget.log") == [(20 - expired + 1,)]
    store.close()
