"""An object that is replaced often, where a name may be written once a second: two processes, kills, lost answers."""

from __future__ import annotations

import contextlib
import json

import pytest
from clocks import FakeTime
from mortal_worker import KilledError
from swap_memory import SwapMemory

from airflow_provider_maestroqa.client.errors import (
    MaestroQAConnectionError,
    MaestroQADataError,
    MaestroQAError,
)
from airflow_provider_maestroqa.storage.base import StorageConflictError, StorageDeniedError
from airflow_provider_maestroqa.storage.journal import Journal

NAME = "task.json"


class Watched:
    """A storage, as one process sees it: before or after its nth request something happens."""

    def __init__(self, memory, happens=None, at=0, *, is_after=False):
        self.memory, self.name = memory, memory.name
        self.happens, self.at, self.is_after = happens, at, is_after
        self.count = 0

    def __getattr__(self, name):
        method = getattr(self.memory, name)

        def call(*args):
            self.count += 1
            is_now = self.count == self.at
            if is_now and not self.is_after:
                self.happens()
            result = method(*args)
            if is_now and self.is_after:
                self.happens()
            return result

        return call


@pytest.fixture
def time():
    return FakeTime()


@pytest.fixture
def memory(time):
    return SwapMemory(time.clock())


@pytest.fixture
def open_journal(time):
    return lambda objects: Journal(objects, NAME, clock=time.clock())


def state(value):
    return json.dumps({"value": value}).encode()


def value_of(content):
    return None if content is None else json.loads(content)["value"]


def written(journal, value):
    """Whether a value could be saved."""
    try:
        journal.write(state(value))
    except StorageConflictError:
        return False
    return True


def steps_of(process, memory):
    """How many requests a process makes if nobody disturbs it."""
    watched = Watched(memory)
    process(watched)
    return watched.count


def test_what_is_saved_is_read_by_the_next_process_and_lies_in_the_object_alone_at_the_end(memory, open_journal):
    first = open_journal(memory)
    assert first.read() is None
    for value in range(5):
        first.write(state(value))
        assert value_of(first.read()) == value
        assert value_of(open_journal(memory).read()) == value
    first.close()
    assert {name: value_of(content) for name, (content, _) in memory.objects.items()} == {NAME: 4}
    second = open_journal(memory)
    assert value_of(second.read()) == 4
    second.write(state(5))
    second.write(state(6))
    second.delete()
    assert memory.objects == {}
    assert second.read() is None


def test_no_name_is_written_twice_in_a_second_however_often_is_saved(memory, open_journal, time):
    journal = open_journal(memory)
    for value in range(60):
        journal.write(state(value))
        time.pass_by(0.1)
    assert len(memory.objects) <= 13
    journal.close()
    written_at = {}
    for name, when in memory.changes[:-12]:
        assert when - written_at.get(name, -10) >= 1, name
        written_at[name] = when
    assert value_of(open_journal(memory).read()) == 59


def test_a_state_of_an_earlier_version_is_read_and_goes_on(memory, open_journal):
    memory.swap(NAME, state("old"), "")
    journal = open_journal(memory)
    assert value_of(journal.read()) == "old"
    journal.write(state("new"))
    assert value_of(open_journal(memory).read()) == "new"


def test_an_earlier_version_does_not_take_a_journal_for_its_state(memory, open_journal):
    open_journal(memory).write(state("new"))
    assert "arguments" not in json.loads(memory.objects[NAME][0])


@pytest.mark.parametrize("is_after", [False, True])
def test_of_two_processes_the_later_knows_all_that_the_earlier_has_saved(time, open_journal, is_after):
    """Wherever one comes between two requests of the other."""

    def prepared():
        memory = SwapMemory()
        earlier = open_journal(memory)
        earlier.write(state(0))
        return memory, earlier

    def take_over(objects):
        later = open_journal(objects)
        known = value_of(later.read())
        return known if written(later, f"later after {known}") else None

    memory, earlier = prepared()
    objects = Watched(memory)
    earlier._objects = objects
    earlier.write(state(1))
    for at in range(1, objects.count + 1):
        memory, earlier = prepared()
        known = []
        earlier._objects = Watched(
            memory, lambda memory=memory, known=known: known.append(take_over(memory)), at, is_after=is_after
        )
        saved = written(earlier, 1)
        assert known != [0] or not saved, f"at {at}, what was saved is not known"
        assert known != [None], f"at {at}, one that is not disturbed gives up"

    for at in range(1, steps_of(take_over, prepared()[0]) + 1):
        memory, earlier = prepared()
        saved = []
        disturb = lambda earlier=earlier, saved=saved: saved.append(written(earlier, 1))  # noqa: E731
        known = take_over(Watched(memory, disturb, at, is_after=is_after))
        assert known != 0 or saved == [False], f"at {at}, what was saved is not known"
        # Whoever comes next finds the newest of what was saved.
        last = value_of(open_journal(memory).read())
        if known is not None:
            assert last == f"later after {known}"
        else:
            # Both may have stopped.
            assert last == 1 or (last == 0 and saved == [False])


@pytest.mark.parametrize("is_after", [False, True])
def test_wherever_a_process_is_killed_nothing_is_lost_that_was_saved(time, open_journal, is_after):
    def work(objects, saved):
        journal = open_journal(objects)
        saved.append(value_of(journal.read()))
        for step in range(3):
            value = f"{saved[0]}.{step}"
            saved.append((value, "begun"))
            journal.write(state(value))
            saved[-1] = value
            time.pass_by(0.5)
        journal.close()

    steps = 12
    for first in range(1, steps):
        for second in range(1, steps):
            memory = SwapMemory()
            for at in (first, second):
                saved = []
                with contextlib.suppress(KilledError):
                    work(Watched(memory, _kill, at, is_after=is_after), saved)
                found = value_of(open_journal(memory).read())
                if saved and isinstance(saved[-1], tuple):
                    # What was being saved when it was killed may be there or not.
                    assert found in (saved[-1][0], saved[-2])
                elif saved:
                    assert found == saved[-1]


def _kill():
    raise KilledError


def test_of_two_that_take_over_at_once_one_goes_on(memory, open_journal):
    open_journal(memory).write(state(0))
    one, two = open_journal(memory), open_journal(memory)
    assert (value_of(one.read()), value_of(two.read())) == (0, 0)
    assert (written(one, "one"), written(two, "two")) == (True, False)
    assert value_of(open_journal(memory).read()) == "one"
    assert written(one, "one again")


def test_one_that_has_lost_the_object_neither_saves_nor_tidies_up(memory, open_journal):
    former = open_journal(memory)
    former.write(state(0))
    later = open_journal(memory)
    later.read()
    later.write(state("later"))
    assert not written(former, 1)
    former.close()
    assert value_of(open_journal(memory).read()) == "later"


@pytest.mark.parametrize("is_done", [False, True])
@pytest.mark.parametrize("at", range(1, 9))
def test_a_request_whose_response_is_lost_is_repeated_and_counts_once(memory, open_journal, time, at, is_done):
    def lose():
        raise MaestroQAConnectionError("the response was lost")

    journal = open_journal(Watched(memory, lose, at, is_after=is_done))
    journal.read()
    for value in range(3):
        journal.write(state(value))
    assert value_of(open_journal(memory).read()) == 2
    assert time.slept
    journal.close()
    assert value_of(memory.objects[NAME][0]) == 2


def test_a_storage_that_stays_away_is_a_passing_error_and_what_comes_later_is_saved(memory, open_journal, time):
    class Away(SwapMemory):
        is_away = False

        def swap(self, *arguments):
            if self.is_away:
                raise MaestroQAConnectionError("no answer")
            return super().swap(*arguments)

    away = Away()
    journal = open_journal(away)
    journal.write(state(0))
    away.is_away = True
    with pytest.raises(MaestroQAConnectionError, match="no answer"):
        journal.write(state(1))
    away.is_away = False
    journal.write(state(2))
    assert value_of(open_journal(away).read()) == 2


def test_a_refusal_is_not_repeated(memory, open_journal, time):
    def refuse():
        raise StorageDeniedError("no access")

    with pytest.raises(MaestroQAError, match="no access"):
        open_journal(Watched(memory, refuse, 1)).read()
    assert time.slept == []


@pytest.mark.parametrize("content", [b"", b"[]", b'{"number": 1}', b'{"number": "x", "state": 1}', b"\xff"])
def test_a_damaged_entry_is_an_error_that_names_it(memory, open_journal, content):
    journal = open_journal(memory)
    journal.write(state(0))
    journal.write(state(1))
    [name] = set(memory.objects) - {NAME}
    memory.objects[name] = (content, "9")
    with pytest.raises(MaestroQADataError, match=f"{name} is damaged.*to start over, delete gs://lake/state/{NAME}"):
        open_journal(memory).read()


def test_what_is_no_journal_is_left_to_the_reader(memory, open_journal):
    memory.objects[NAME] = (b"precious", "1")
    assert open_journal(memory).read() == b"precious"
