"""Runs a push from its arguments to its report."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sized

from airflow_provider_maestroqa.client.clock import Clock
from airflow_provider_maestroqa.client.errors import MaestroQADataError, MaestroQAOutcomeUnknownError
from airflow_provider_maestroqa.client.formatting import format_duration, pluralize
from airflow_provider_maestroqa.client.transport.request_stats import RequestStats
from airflow_provider_maestroqa.pushes.checkpoint import (
    Checkpoint,
    NullStateStore,
    PositionTakenError,
    PushState,
    StateStore,
)
from airflow_provider_maestroqa.pushes.options import PushOptions
from airflow_provider_maestroqa.pushes.owned_object import Target
from airflow_provider_maestroqa.pushes.push import Push, Sender
from airflow_provider_maestroqa.pushes.records import SourceRecord
from airflow_provider_maestroqa.pushes.rejects import Rejects
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
    clock: Clock | None = None,
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
    :param clock: for the waiting; the real time by default.
    :return: the report.
    :raises MaestroQADataError: a record is rejected, or too many are, or the source has changed.
    :raises MaestroQAOutcomeUnknownError: records may or may not have arrived.
    """
    started = time.monotonic()
    checkpoint = Checkpoint(state_store or NullStateStore(), run=run, idempotent=resource.idempotent)
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
    require_owner = checkpoint.require_owner if checkpoint.is_persistent else None
    rejects = Rejects(rejects_to, max_rejects=options.max_rejects, require_owner=require_owner)
    progress = PushProgress(report, request_stats, total=total, log=log.info)
    push = Push(
        resource,
        send,
        options=options,
        report=report,
        progress=progress,
        rejects=rejects,
        checkpoint=checkpoint,
        clock=clock or Clock(),
    )
    try:
        # First the position: a try that ends here must not be taken for one that has pushed all.
        checkpoint.claim(state)
        if state and state.done:
            rejects.resume(state.parts, checkpoint.parts)
        else:
            rejects.start_over(checkpoint.parts)
        push.run(records, state)
        rejects.publish()
        checkpoint.finish()
    except BaseException as error:
        progress.update_report()
        if not isinstance(error, PositionTakenError):
            rejects.publish_after_failure()
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
    if state is not None or resource.idempotent or options.resends or is_first_try:
        return state
    lost_position = f" The position in {checkpoint.where} is gone." if checkpoint.is_persistent else ""
    advice = "" if lost_position else " And set state_path: then a retry resumes where the try before has stopped."
    raise MaestroQAOutcomeUnknownError(
        f"This is not the first try of the task, and nothing says which {resource.name} the earlier ones have "
        f"sent; sent again, they would exist twice.{lost_position} Check MaestroQA. Then clear the task with "
        f"on_unknown_outcome='resend' to send all of them.{advice}"
    )


def announce(store: StateStore, resource: Resource, *, run: str, is_first_try: bool) -> None:
    """Save, before anything can fail, that the first try of a task has sent nothing yet.

    Else its next try would find no position and could not tell this from a position that is gone.

    :param store: where the position is saved.
    :param resource: what will be pushed.
    :param run: which run of which task this is.
    :param is_first_try: whether no earlier try of this run can have sent anything.
    """
    checkpoint = Checkpoint(store, run=run, idempotent=resource.idempotent)
    if is_first_try and store.is_persistent and not resource.idempotent and checkpoint.load() is None:
        checkpoint.claim(None)


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
