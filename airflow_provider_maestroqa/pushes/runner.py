"""Runs a push from its arguments to its report."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sized

from airflow_provider_maestroqa.client.errors import MaestroQADataError, MaestroQAOutcomeUnknownError
from airflow_provider_maestroqa.client.formatting import format_duration, pluralize
from airflow_provider_maestroqa.client.transport.request_stats import RequestStats
from airflow_provider_maestroqa.pushes.checkpoint import Checkpoint, NullStateStore, PushState, StateStore
from airflow_provider_maestroqa.pushes.push import Push, PushOptions, Sender
from airflow_provider_maestroqa.pushes.records import SourceRecord
from airflow_provider_maestroqa.pushes.rejects import Rejects, Target
from airflow_provider_maestroqa.pushes.report import PushProgress, Report
from airflow_provider_maestroqa.pushes.resources import Resource
from airflow_provider_maestroqa.storage.base import best_effort

log = logging.getLogger(__name__)


def run_push(
    resource: Resource,
    records: Iterable[object],
    *,
    send: Sender,
    request_stats: RequestStats,
    options: PushOptions,
    rejects_to: Target | None = None,
    state_store: StateStore | None = None,
    run: str = "",
    is_first_try: bool = True,
) -> Report:
    """Push records and report what became of them.

    :param resource: what is pushed.
    :param records: dicts with the API's keys, or ``SourceRecord`` objects; read one at a time, from the start at each
        try.
    :param send: sends requests.
    :param request_stats: counts what ``send`` uses of the budget.
    :param options: what the user decided.
    :param rejects_to: the object for rejected records.
    :param state_store: saves the position for a retry; ``None`` saves nothing.
    :param run: which run of which task this is.
    :param is_first_try: whether no earlier try of this run can have sent anything.
    :return: the report.
    :raises MaestroQADataError: a record is rejected, or too many are, or the source has changed.
    :raises MaestroQAOutcomeUnknownError: records may or may not have arrived.
    """
    started = time.monotonic()
    checkpoint = Checkpoint(state_store or NullStateStore(), run=run, marks_in_flight=not resource.idempotent)
    state = _load_state(checkpoint, resource, options, is_first_try=is_first_try)
    report = Report.from_dict(state.report) if state and state.report else Report(resource.name)
    if state_store is not None and not (resource.idempotent or checkpoint.is_persistent):
        log.info(
            "A retry of this task could not know which %s were sent, and would fail. With state_path it resumes.",
            report.noun,
        )
    if not options.collects and isinstance(records, (list, tuple)):
        _check_all(records, resource, report.noun)
    total = len(records) if isinstance(records, Sized) else None
    if state is None or not state.finished:
        per_request = f"up to {resource.batch_size}" if resource.batch_size > 1 else "one"
        what = report.noun if total is None else pluralize(total, report.noun)
        log.info("Pushing %s, %s with each request.", what, per_request)
    rejects = Rejects(rejects_to, max_rejects=options.max_rejects)
    progress = PushProgress(report, request_stats, total=total, log=log.info)
    push = Push(
        resource, send, options=options, report=report, progress=progress, rejects=rejects, checkpoint=checkpoint
    )
    try:
        rejects.resume() if state else rejects.start_over()
        push.run(records, state)
        rejects.publish()
        checkpoint.finish()
    except BaseException:
        rejects.publish_after_failure()
        progress.update_report()
        best_effort(lambda: checkpoint.stop(report))
        log.warning("The push of %s stopped after %s confirmed records.", report.noun, f"{report.confirmed:,}")
        raise
    finally:
        rejects.close()
    log.info("Pushed: %s. It took %s.", report, format_duration(time.monotonic() - started))
    if report.updated and resource.note:
        log.info("%s.", resource.note)
    return report


def _load_state(
    checkpoint: Checkpoint, resource: Resource, options: PushOptions, *, is_first_try: bool
) -> PushState | None:
    state = checkpoint.load()
    if state is not None and state.finished:
        if options.resends:
            return None
        log.info(
            "An earlier try has pushed all %s records. None of them is sent again; on_unknown_outcome='resend' would "
            "send all of them again.",
            f"{state.done:,}",
        )
    if resource.idempotent or options.resends or is_first_try or state is not None or checkpoint.survives_success:
        return state
    raise MaestroQAOutcomeUnknownError(
        f"This is not the first try of the task, and nothing says which {resource.name} the earlier ones have "
        "sent; sent again, they would exist twice. Check MaestroQA. Then clear the task with "
        "on_unknown_outcome='resend' to send all of them. And set state_path: then a retry resumes where the try "
        "before has stopped."
    )


def _check_all(records: Iterable[object], resource: Resource, noun: str) -> None:
    """A list costs nothing to check, so a bad record in it stops the push before anything is sent."""
    for index, record in enumerate(records):
        try:
            resource.record_type.check(record.row if isinstance(record, SourceRecord) else record)
        except MaestroQADataError as error:
            reason = error.message.rstrip(".")
        else:
            continue
        raise MaestroQADataError(
            f"Record {index} of the {noun} is rejected: {reason}. Nothing was sent. "
            "Correct it, or set on_error='collect' to continue without such records."
        )
