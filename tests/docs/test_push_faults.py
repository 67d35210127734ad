"""Each row of the table of pushes in failures.md is a row of the fault table, and says what that one shows."""

import importlib.util
import inspect
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from fault_kinds import UNKNOWN

from airflow_provider_maestroqa._compat import AirflowFailException
from airflow_provider_maestroqa.client.errors import MaestroQAError
from airflow_provider_maestroqa.sandbox.faults import fault_from_text

_PATH = Path(__file__).resolve().parents[1] / "operators" / "test_push_faults.py"
_SPEC = importlib.util.spec_from_file_location("push_fault_table", _PATH)
FAULTS = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(FAULTS)

# The fixtures of the fault table serve here too.
kind, kept, sandbox = FAULTS.kind, FAULTS.kept, FAULTS.sandbox
reach, zygote, start_task = FAULTS.reach, FAULTS.zygote, FAULTS.start_task
#: What the page calls the ends that the fault table expects.
ENDS = {UNKNOWN: "names them", FAULTS.NOT_FIRST: "cannot know"}


def end(expected):
    return next(said for beginning, said in ENDS.items() if expected.startswith(beginning))


def _rows():
    """The rows of the fault table: {name: (its test, what it is called with)}."""
    found = {}
    for name, test in vars(FAULTS).items():
        parameters = inspect.signature(test).parameters if name.startswith("test_") else ()
        # The fault table itself runs these rows behind proxies, too, and those that are about a proxy.
        if "row" in parameters and "route" not in parameters:
            title = name.removeprefix("test_").replace("_", " ")
            marks = [mark for mark in getattr(test, "pytestmark", []) if not mark.kwargs.get("indirect")]
            if not marks:
                found[title] = (test, {})
            for mark in marks:
                argument, values = mark.args
                for value, title_of_value in zip(values, mark.kwargs.get("ids", values), strict=True):
                    row_name = title_of_value if mark.kwargs.get("ids") is None else f"{title} {title_of_value}"
                    found[row_name] = (test, {argument: value})
    return found


ROWS = _rows()


class Stored(dict):
    """Stands in for the task state store of Airflow 3.3."""

    set = dict.__setitem__

    def delete(self, key):
        self.pop(key, None)


@pytest.fixture
def task_state_store():
    return Stored()


@pytest.fixture
def row(sandbox, connect):
    """Note how a row ends, and how the fault table expects it to end."""
    connect(host=sandbox.url, password=sandbox.token, **FAULTS.FAST, timeout=30)

    def note(outcome, expected):
        note.outcome, note.expected = outcome, expected

    return note


def sent_again(kind, sandbox):
    """Which records came more than once, in the words of the page."""
    places = {_key(record): place for place, record in enumerate(kind.records)}
    came = Counter()
    for seen in sandbox.requests:
        # An update of a ticket that is there is no second creation.
        if seen.method == "POST":
            records = seen.body.get("batch") or seen.body.get("data") or [seen.body]
            came.update(places[_key(record)] for record in records)
    twice = {place for place, times in came.items() if times > 1}
    if not twice:
        return "nothing"
    return "all" if 0 in twice else "the batch"


def _key(record):
    return json.dumps(record, sort_keys=True)


def test_the_page_has_the_rows_of_the_fault_table(table):
    assert set(table("docs/failures.md", "Fault")) == set(ROWS)


@pytest.mark.parametrize("kind", ["tickets", "ticket_metrics", "comments"], indirect=True)
@pytest.mark.parametrize("kept", ["state_path", "nothing"], indirect=True)
@pytest.mark.parametrize("name", ROWS)
def test_what_is_sent_again(table, name, kind, kept, sandbox, row, reach, start_task):
    test, chosen = ROWS[name]
    known = {**chosen, "kind": kind, "kept": kept, "sandbox": sandbox, "row": row, "reach": reach}
    known |= {"start_task": start_task, "task_state_store": Stored()}
    test(**{argument: known[argument] for argument in inspect.signature(test).parameters})
    if row.expected == "exact":
        assert not isinstance(row.outcome, Exception), row.outcome
        found = sent_again(kind, sandbox)
    else:
        assert row.expected in str(row.outcome)
        assert sent_again(kind, sandbox) == "nothing"
        found = end(row.expected)
    column = (2 if kind.adds else 0) + (1 if kept.name == "nothing" else 0)
    assert table("docs/failures.md", "Fault")[name][column].strip("*") == found


def outcome_in(cell, kind, on_error):
    """What a cell of the page says about this kind of record: the first bold words that are about it."""
    if "all others:" in cell:
        comments, _, others = cell.partition("all others:")
        cell = comments if kind.adds else others
    if on_error == "collect" and "`collect`" in cell:
        cell = cell.partition("`collect`")[2]
    return cell.partition("**")[2].partition("**")[0]


@pytest.mark.parametrize("kind", ["ticket_metrics", "comments"], indirect=True)
@pytest.mark.parametrize("on_error", ["fail", "collect"])
def test_what_happens_when_pushing(pushing, kind, on_error, sandbox, connect):
    what, fault, cell = pushing
    connect(host=sandbox.url, password=sandbox.token, **FAULTS.FAST)
    sandbox.fault(replace(fault_from_text(fault.strip("`")), path=kind.path))
    task = kind.task(None, kind.records[:20])
    task.on_error = on_error
    try:
        report = task.execute({})
    except AirflowFailException:
        outcome = "fails for good"
    except MaestroQAError as error:
        outcome = "fails, Airflow retries" if error.retryable else "fails in a way that the page does not know"
    else:
        outcome = "continues"
        assert report["confirmed"] + report["unconfirmed"] == 20
    assert outcome == outcome_in(cell, kind, on_error), what
