"""What can happen to the file: a clear error, or a fall-back that says so; never a hang, never silently no limit."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from airflow_provider_maestroqa.client.budget import BudgetExhaustedError, open_budget
from airflow_provider_maestroqa.client.budget.factory import default_file
from airflow_provider_maestroqa.client.budget.limits import make_rules
from airflow_provider_maestroqa.client.budget.slot_log import SlotRequest
from airflow_provider_maestroqa.client.budget.stores.sqlite import SqliteStore
from airflow_provider_maestroqa.client.errors import MaestroQAConfigError, MaestroQAConnectionError

ROOT = Path(__file__).parents[4]
LIMITS = {"normal": [(2, 10.0)]}
RULES = make_rules(LIMITS, {10.0: 0.0})["normal"]


@pytest.fixture
def file(tmp_path):
    return tmp_path / "home" / "maestroqa_budget.sqlite3"


@pytest.fixture
def make(file, fake_time):
    """Open the budget of the file in Airflow's home, as a new process does."""
    opened = []

    def budget(**options):
        settings = {"home": file.parent, "store_timeout": 0.3, "clock": fake_time.clock(), **options}
        settings.setdefault("token", "t")
        made = open_budget(base_url="https://x.com", limits=LIMITS, margins={10.0: 0.0}, **settings)
        opened.append(made)
        return made

    yield budget
    for made in opened:
        made.close()


def test_only_the_owner_may_read_the_file(make, file):
    old = os.umask(0)
    try:
        make().acquire("normal")
    finally:
        os.umask(old)
    assert {path.name: oct(path.stat().st_mode & 0o777) for path in file.parent.iterdir()} == {
        "maestroqa_budget.sqlite3": "0o600",
        "maestroqa_budget.sqlite3-wal": "0o600",
        "maestroqa_budget.sqlite3-shm": "0o600",
    }


def test_a_process_that_is_stopped_inside_a_transaction_costs_a_bounded_wait_and_a_clear_error(file, make, sharers):
    make().acquire("normal")
    (holder,) = sharers(store=str(file), hold=30)
    holder.go()
    assert holder.readline() == "holding"
    began = time.monotonic()
    with pytest.raises(MaestroQAConnectionError, match=r"another process has held it for more than 0.3 s") as error:
        make().acquire("normal")
    assert time.monotonic() - began < 2
    assert str(file) in str(error.value)
    assert error.value.retryable
    assert not error.value.sent


def test_a_process_that_is_killed_inside_a_transaction_holds_nobody_up(file, make, sharers):
    make().acquire("normal")
    (holder,) = sharers(store=str(file), hold=30)
    holder.go()
    assert holder.readline() == "holding"
    holder.end()
    assert make().acquire("normal") == 0


def test_a_damaged_file_is_put_aside_and_everybody_waits_until_its_requests_are_past(file, make, fake_time, caplog):
    budget = make()
    budget.acquire("normal")
    budget.acquire("normal")
    budget.close()
    file.write_bytes(b"this is no database, " * 500)
    with caplog.at_level(logging.WARNING):
        assert make().acquire("normal") == 10
    assert "was damaged" in caplog.text
    assert file.with_name(file.name + ".damaged").read_bytes().startswith(b"this is no database")
    assert make().acquire("normal") == 0
    assert make().acquire("normal") == 10


@pytest.mark.parametrize("is_rebooted", [False, True])
def test_a_damaged_file_costs_one_window_though_unix_time_was_set_back_a_year(
    file, make, fake_time, monkeypatch, is_rebooted
):
    budget = make()
    budget.acquire("normal")
    budget.close()
    file.write_bytes(b"this is no database, " * 500)
    store = make(token="another").store  # puts it aside
    store.remaining("log", ("", 0))
    fake_time.wall -= 86_400.0 * 365
    if is_rebooted:
        monkeypatch.setattr("airflow_provider_maestroqa.client.budget.stores.sqlite.clock_name", lambda: "boot two")
        fake_time.monotonic = 7.0
        store.close()
    assert make(token="a third").acquire("normal") == 10


def test_a_file_that_lost_a_part_makes_everybody_wait(file, make):
    budget = make()
    budget.acquire("normal")
    with sqlite3.connect(file) as connection:
        connection.execute("DELETE FROM booking")
    connection.close()
    assert budget.acquire("normal") == 10
    assert make().acquire("normal") == 0
    assert make().acquire("normal") == 10


def test_a_file_that_is_damaged_while_it_is_open_is_noticed(file, make, fake_time):
    budget = make()
    budget.acquire("normal")
    with sqlite3.connect(file) as connection:
        connection.execute("DROP TABLE booking")
    connection.close()
    assert budget.acquire("normal") == 10


SCHEMA = "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = {} WHERE name = 'state';"
#: What a failing disk makes of a file, as statements; the first is noise instead.
DAMAGES = {
    "noise": None,
    "a column of another name": "ALTER TABLE state RENAME COLUMN keep TO kefp",
    "a text that is none": "UPDATE state SET clock = CAST(x'2fff80' AS TEXT)",
    "a schema whose error is no text": SCHEMA.format("'CREATE', name = CAST(x'2fff80' AS TEXT)"),
    "a column of no name": SCHEMA.format("replace(sql, 'budget', CAST(x'ff80' AS TEXT))"),
    "a value that is not there": SCHEMA.format("replace(sql, 'NOT NULL', '')"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_put_aside_and_its_requests_counted(file, make, damage):
    budget = make()
    for _ in range(20):
        budget.acquire("normal")
    budget.close()
    if damage == "noise":
        content = bytearray(file.read_bytes())
        content[200:] = Random(1).randbytes(len(content) - 200)
        file.write_bytes(content)
    else:
        with contextlib.closing(sqlite3.connect(file)) as connection:
            connection.executescript(DAMAGES[damage])
    if damage == "a value that is not there":
        with contextlib.closing(sqlite3.connect(file)) as connection, connection:
            connection.execute("UPDATE state SET not_before = NULL")
    assert make().acquire("normal") == 10
    assert file.with_name(file.name + ".damaged").exists()


def test_a_file_that_the_user_named_is_never_put_aside(tmp_path, make):
    report = tmp_path / "report.csv"
    report.write_text("id,score\n" * 1000)
    with pytest.raises(MaestroQAConnectionError, match="not a database"):
        make(store=str(report)).acquire("normal")
    assert report.read_text() == "id,score\n" * 1000


def test_another_sqlite_database_is_left_alone(tmp_path, make):
    other = tmp_path / "airflow.db"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE dag (id TEXT)")
    connection.commit()
    connection.close()
    with pytest.raises(MaestroQAConfigError, match="not the request budget"):
        make(store=f"sqlite://{other}").acquire("normal")
    connection = sqlite3.connect(other)
    assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (1,)
    connection.close()


def test_a_file_that_is_deleted_while_in_use_is_made_anew_without_forgetting_what_was_sent(file, make):
    budget = make()
    budget.acquire("normal")
    budget.acquire("normal")
    for path in file.parent.iterdir():
        path.unlink()
    assert budget.acquire("normal") == 10
    assert file.exists()
    assert make().acquire("normal") == 0
    with pytest.raises(BudgetExhaustedError):
        make().acquire("normal", deadline=budget.clock.wall() + 9)


def test_a_full_disk_is_a_clear_error(tmp_path):
    # No file may grow any more, which is what a full disk looks like from here.
    script = """
        import os, resource, sys
        from airflow_provider_maestroqa.client.budget import open_budget
        from airflow_provider_maestroqa.client.errors import MaestroQAConnectionError

        budget = open_budget(store=sys.argv[1], base_url="https://x.com", token="t", limits={"normal": [(9999, 60)]})
        budget.acquire("normal")
        size = os.stat(sys.argv[1] + "-wal").st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        try:
            for _ in range(9000):
                budget.acquire("normal")
        except MaestroQAConnectionError as error:
            print(error)
    """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(tmp_path / "budget.sqlite3")],
        capture_output=True, text=True, timeout=30, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert "its disk has room" in result.stdout, result.stderr


def test_a_folder_that_cannot_be_made_falls_back_to_the_temporary_folder_with_a_warning(
    tmp_path, monkeypatch, caplog, make
):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    blocked = tmp_path / "a_file"
    blocked.write_text("")
    budget = make(home=blocked / "home")
    with caplog.at_level(logging.WARNING):
        budget.acquire("normal")
    assert f"maestroqa_budget_{os.getuid()}.sqlite3" in caplog.text
    assert (tmp_path / f"maestroqa_budget_{os.getuid()}.sqlite3").stat().st_mode & 0o777 == 0o600


def test_a_read_only_home_falls_back_too(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with caplog.at_level(logging.WARNING):
        assert default_file(str(tmp_path / "home")).parent == tmp_path
    assert "cannot be written to" in caplog.text


def test_without_a_home_the_temporary_folder_is_used_without_a_word(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.delenv("AIRFLOW_HOME")
    assert default_file(None).parent == tmp_path
    assert not caplog.text


def test_a_file_of_another_user_is_an_error_and_not_a_second_budget(file, monkeypatch):
    file.parent.mkdir()
    file.touch()
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != file)
    with pytest.raises(MaestroQAConfigError, match="belongs to another user"):
        default_file(str(file.parent))


def test_a_link_that_somebody_put_into_the_temporary_folder_is_not_followed(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.delenv("AIRFLOW_HOME")
    (tmp_path / f"maestroqa_budget_{os.getuid()}.sqlite3").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(MaestroQAConfigError, match="belongs to another user"):
        default_file(None)


def test_a_folder_that_does_not_exist_is_a_clear_error(tmp_path, make):
    with pytest.raises(MaestroQAConnectionError, match="nowhere"):
        make(store=str(tmp_path / "nowhere" / "budget.sqlite3")).acquire("normal")


@pytest.mark.parametrize("jump", [-86_400.0, 3_600.0, 86_400.0 * 365])
def test_a_wall_clock_that_jumps_neither_opens_the_budget_nor_closes_it(make, fake_time, jump):
    budget = make()
    budget.acquire("normal")
    budget.acquire("normal")
    fake_time.meanwhile = lambda: setattr(fake_time, "wall", fake_time.wall + jump)
    assert budget.acquire("normal") == 10
    fake_time.wall += jump
    assert make().acquire("normal") == 0
    assert make().acquire("normal") == 10


class Boots:
    """The same file on a machine that starts anew: its monotonic clock begins again, Unix time goes on."""

    def __init__(self, path, monkeypatch):
        self.path = path
        self._monkeypatch = monkeypatch

    def store(self, name, time):
        monkey = "airflow_provider_maestroqa.client.budget.stores.sqlite.clock_name"
        self._monkeypatch.setattr(monkey, lambda: name)
        return SqliteStore(self.path, time.clock(), timeout=1)


@pytest.fixture
def boots(tmp_path, monkeypatch):
    return Boots(tmp_path / "budget.sqlite3", monkeypatch)


def test_the_log_is_carried_over_when_the_machine_starts_anew(boots, fake_time):
    before = boots.store("boot one", fake_time)
    handles = [before.book("log", RULES, SlotRequest()).handle for _ in range(3)]
    before.close()
    fake_time.monotonic = 7.0
    fake_time.wall += 4.0
    after = boots.store("boot two", fake_time)
    assert after.remaining("log", handles[2]) == pytest.approx(6.0)
    assert after.book("log", RULES, SlotRequest()).wait == pytest.approx(6.0)
    after.close()


def test_unix_time_that_was_set_back_meanwhile_costs_a_window_at_most(boots, fake_time):
    before = boots.store("boot one", fake_time)
    before.book("log", RULES, SlotRequest())
    before.book("log", RULES, SlotRequest())
    before.pause("log", RULES, 5.0)
    before.close()
    fake_time.monotonic = 7.0
    fake_time.wall -= 86_400.0 * 30
    after = boots.store("boot two", fake_time)
    assert after.book("log", replace(RULES), SlotRequest()).wait <= 3600
    after.close()


def test_two_machines_that_take_turns_on_one_file_agree(boots, fake_time, tmp_path):
    from copy import copy

    other_time = copy(fake_time)
    other_time.monotonic = 99.0
    here, there = boots.store("here", fake_time), boots.store("there", other_time)
    waits = []
    for _ in range(3):
        waits += [here.book("log", RULES, SlotRequest()).wait, there.book("log", RULES, SlotRequest()).wait]
        fake_time.pass_by(1)
        other_time.pass_by(1)
    assert waits == pytest.approx([0, 0, 9, 9, 18, 18])
    here.close()
    there.close()
