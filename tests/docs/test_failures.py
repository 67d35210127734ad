"""Each row of failures.md that names a fault is run with that fault."""

import copy

import pytest
from clocks import SkippingTime

from airflow_provider_maestroqa._compat import AirflowFailException, AirflowSensorTimeout, AirflowSkipException
from airflow_provider_maestroqa.client.errors import MaestroQAError
from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook
from airflow_provider_maestroqa.operators.exports import MaestroQARequestExportOperator
from airflow_provider_maestroqa.sandbox.faults import fault_from_text
from airflow_provider_maestroqa.sensors.exports import MaestroQAExportSensor
from airflow_provider_maestroqa.transfers.export_to_object_storage import MaestroQAExportToObjectStorageOperator

ASK, GET = "/api/v1/request-raw-export", "/api/v1/get-export-data"
#: Both ways to look at an export.
LOOK = "/api/v1/*export-data*"
WINDOW = {"start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z"}


@pytest.fixture(autouse=True)
def nobody_sleeps(monkeypatch, connect, sandbox):
    monkeypatch.setattr(MaestroQAHook, "clock", SkippingTime().clock())
    connect(host=sandbox.url, password=sandbox.token, timeout=1, rate_limits={"normal": [[1000, 0.05]]})


def outcome_of(work):
    """How a task ended, in the words of the page."""
    try:
        work()
    except AirflowFailException:
        return "fails for good"
    except MaestroQAError as error:
        return "fails, Airflow retries" if error.retryable else "fails in a way that the page does not know"
    return "continues"


def outcome_in(cell):
    return cell.partition("**")[2].partition("**")[0]


def request(**changes):
    return MaestroQARequestExportOperator(**{"task_id": "request", "poll_interval": 0.05, **WINDOW, **changes})


def arm(sandbox, text, path):
    fault = fault_from_text(text)
    sandbox.fault(fault_from_text(f"{text},path={path}") if fault.family == "answer" and not fault.path else fault)


def test_what_happens_when_asking(asking, sandbox):
    what, fault, cell = asking
    arm(sandbox, fault.strip("`"), ASK)
    assert outcome_of(lambda: request().execute({})) == outcome_in(cell), what
    assert sandbox.count("POST", ASK) == (4 if "times=3" in fault else 1)


@pytest.mark.parametrize("deferrable", [False, True], ids=["on a worker", "deferred"])
@pytest.mark.parametrize("way", ["sensor", "wait_for_completion"])
def test_what_happens_when_waiting(waiting, sandbox, run_task, way, deferrable):
    what, fault, cell = waiting
    if way == "sensor":
        export_id = request().execute({})
        arm(sandbox, fault.strip("`"), LOOK)
        task = MaestroQAExportSensor(
            task_id="wait", export_id=export_id, poke_interval=0.05, timeout=60, deferrable=deferrable
        )
    else:
        arm(sandbox, fault.strip("`"), LOOK)
        task = request(wait_for_completion=True, deferrable=deferrable)
    assert outcome_of(lambda: run_task(task)) == outcome_in(cell), what


def test_what_happens_when_landing(landing, sandbox, tmp_path):
    what, fault, cell = landing
    about_status = fault.strip("`").startswith(("never", "errored", "no_data"))
    if about_status:
        arm(sandbox, fault.strip("`"), GET)
    with MaestroQAHook() as hook:
        export_id = hook.request_raw_export(*WINDOW.values())
        for _ in range(4):
            hook.get_export(export_id)
    if not about_status:
        arm(sandbox, fault.strip("`"), GET)
        if fault.strip("`") in ("no_range", "changed"):
            sandbox.fault("drop_at_byte", at=3000)
    task = MaestroQAExportToObjectStorageOperator(
        task_id="land", export_id=export_id, destination=f"file://{tmp_path}/x"
    )
    assert outcome_of(lambda: task.execute({})) == outcome_in(cell), what
    visible = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())
    assert ("_manifest.json" in visible) is (outcome_in(cell) == "continues")
    assert visible == [] or outcome_in(cell) == "continues"


@pytest.mark.parametrize("deferrable", [False, True], ids=["on a worker", "deferred"])
def test_at_the_deadline_each_ends_as_documented(section, sandbox, run_task, deferrable):
    text = " ".join(section("docs/failures.md", "Waiting").split())
    assert "`wait_for_completion` **fails, Airflow retries**. The sensor ends like every sensor of Airflow" in text
    arm(sandbox, "never,times=ever", GET)
    task = request(wait_for_completion=True, timeout=0.2, deferrable=deferrable)
    assert outcome_of(lambda: run_task(task)) == "fails, Airflow retries"
    export_id = next(iter(sandbox.exports))
    for soft_fail, ends in ((False, AirflowSensorTimeout), (True, AirflowSkipException)):
        sensor = MaestroQAExportSensor(
            task_id="wait",
            export_id=export_id,
            poke_interval=0.05,
            timeout=0.2,
            soft_fail=soft_fail,
            deferrable=deferrable,
        )
        with pytest.raises(ends):
            run_task(sensor)


class Stored(dict):
    """Stands in for the task state store of Airflow 3.3."""

    set = dict.__setitem__

    def delete(self, key):
        self.pop(key, None)


def deadline_passes(sandbox, arguments, context):
    arm(sandbox, "never,times=ever", GET)
    with pytest.raises(MaestroQAError):
        request(**{**arguments, "timeout": 0}).execute(context)
    sandbox.clear_faults()
    next(iter(sandbox.exports.values())).outcome = None


def killed_while_waiting(sandbox, arguments, context, mocker):
    patched = mocker.patch.object(MaestroQAHook, "wait_for_export", side_effect=SystemExit)
    with pytest.raises(SystemExit):
        request(**arguments).execute(context)
    mocker.stop(patched)


def killed_before_the_response(sandbox, arguments, context, mocker):
    real = MaestroQAHook.submit_export

    def submit(hook, *args, **kwargs):
        real(hook, *args, **kwargs)
        raise SystemExit

    patched = mocker.patch.object(MaestroQAHook, "submit_export", side_effect=submit, autospec=True)
    with pytest.raises(SystemExit):
        request(**arguments).execute(context)
    mocker.stop(patched)


def failed(sandbox, arguments, context):
    arm(sandbox, "errored", GET)
    with pytest.raises(AirflowFailException):
        request(**arguments).execute(context)


BEFORE = {
    "the deadline passed": lambda s, a, c, m: deadline_passes(s, a, c),
    "the worker was killed while it waited": killed_while_waiting,
    "the worker was killed before the response to the request": killed_before_the_response,
    "the export failed, and the task was cleared": lambda s, a, c, m: failed(s, a, c),
    "MaestroQA no longer knows the export": lambda s, a, c, m: (deadline_passes(s, a, c), s.reset()),
    "the window or an option was changed": lambda s, a, c, m: (
        deadline_passes(s, a, c),
        a.update(export_name="other"),
    ),
    "the task succeeded, and was cleared": lambda s, a, c, m: request(**a).execute(c),
}


@pytest.mark.parametrize("column", [0, 1, 2], ids=["before 3.3", "state_path", "3.3"])
@pytest.mark.parametrize("before", BEFORE)
def test_what_a_retry_does(table, sandbox, mocker, tmp_path, before, column):
    rows = table("docs/failures.md", "What happened before")
    assert set(rows) == set(BEFORE)
    context = {"task_state_store": Stored()} if column == 2 else {}
    arguments = {"wait_for_completion": True}
    if column == 1:
        arguments["state_path"] = f"file://{tmp_path}/state.json"
    BEFORE[before](sandbox, arguments, context, mocker)
    count_before = sandbox.count("POST", ASK)
    earlier = set(sandbox.exports)
    export_id = request(**copy.copy(arguments)).execute(context)
    cell = rows[before][column]
    assert cell.startswith("resumes the same export" if export_id in earlier else "requests a new one")
    assert sandbox.count("POST", ASK) - count_before == (0 if export_id in earlier else 1)
