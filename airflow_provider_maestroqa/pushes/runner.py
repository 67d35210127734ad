"""Runs a push from its arguments to its report."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sized

from airflow_provider_maestroqa.client.errors import MaestroQADataError, MaestroQAOutcomeUnknownError
from airflow_provider_maestroqa.client.formatting import format_duration, pluralize
from airflow_provider_maestroqa.client.transport.request_stats import Usage
from airflow_provider_maestroqa.pushes.checkpoint import Checkpoint, Memory, NoMemory, Position
from airflow_provider_maestroqa.pushes.options import PushOptions
from airflow_provider_maestroqa.pushes.push import Carrier, Push
from airflow_provider_maestroqa.pushes.records import Located
from airflow_provider_maestroqa.pushes.rejects import Rejects, Target
from airflow_provider_maestroqa.pushes.report import Meter, Progress, Report
from airflow_provider_maestroqa.pushes.resources import Resource
from airflow_provider_maestroqa.storage.base import best_effort

log = logging.getLogger(__name__)


def run_push(
    resource: Resource,
    records: Iterable[object],
    *,
    send: Carrier,
    usage: Usage,
    options: PushOptions,
    rejects_to: Target | None = None,
    memory: Memory | None = None,
    run: str = "",
    is_first_try: bool = True,
) -> Report:
    """Push records, and say what became of them.

    :param resource: what is pushed.
    :param records: dicts with the API's keys, or ``Located`` ones; read one at a time, at each try from the start.
    :param send: carries calls.
    :param usage: counts what ``send`` uses of the budget.
    :param options: what the user decided.
    :param rejects_to: the object for refused records.
    :param memory: keeps the position for a retry; ``None`` keeps nothing.
    :param run: which run of which task this is.
    :param is_first_try: whether no earlier try of this run can have sent anything.
    :return: the report.
    :raises MaestroQADataError: a record is refused, or too many are, or the source has changed.
    :raises MaestroQAOutcomeUnknownError: records may or may not have arrived.
    """
    words = resource.name.replace("_", " ")
    began = time.monotonic()
    checkpoint = Checkpoint(memory or NoMemory(), run=run, guarded=not resource.idempotent)
    position = _begin(checkpoint, resource, options, is_first_try=is_first_try)
    if memory is not None and not (resource.idempotent or memory.is_persistent):
        log.info(
            "A retry of this task could not know which %s were sent, and would fail: with state_path it goes on.",
            words,
        )
    if not options.collects and isinstance(records, (list, tuple)):
        _check_all(records, resource)
    report = Report.from_dict(position.report) if position and position.report else Report(resource.name)
    total = len(records) if isinstance(records, Sized) else None
    if position is None or not position.finished:
        many = f"up to {resource.batch_size}" if resource.batch_size > 1 else "one"
        log.info("Pushing %s, %s with each request.", words if total is None else pluralize(total, words), many)
    rejects = Rejects(rejects_to, most=options.max_rejects)
    meter = Meter(report, usage)
    push = Push(
        resource,
        send,
        options=options,
        report=report,
        meter=meter,
        progress=Progress(report, total=total, say=log.info),
        rejects=rejects,
        checkpoint=checkpoint,
    )
    try:
        rejects.take_up() if position else rejects.start_over()
        push.run(records, position)
        rejects.publish()
        checkpoint.finish()
    except BaseException:
        rejects.give_up()
        meter.read()
        best_effort(lambda: checkpoint.stop(report))
        log.warning("The push of %s stopped after %s confirmed records.", words, f"{report.confirmed:,}")
        raise
    finally:
        rejects.close()
    log.info("Pushed: %s. It took %s.", report, format_duration(time.monotonic() - began))
    if report.updated and resource.remark:
        log.info("%s.", resource.remark)
    return report


def _begin(
    checkpoint: Checkpoint, resource: Resource, options: PushOptions, *, is_first_try: bool
) -> Position | None:
    position = checkpoint.load()
    if position is not None and position.finished:
        if options.resends:
            return None
        log.info(
            "An earlier try has pushed all %s records. None of them is sent again; on_unknown_outcome='resend' would "
            "send all of them again.",
            f"{position.done:,}",
        )
    if resource.idempotent or options.resends or is_first_try or position is not None:
        return position
    if not checkpoint.survives_success:
        raise MaestroQAOutcomeUnknownError(
            f"This is not the first try of the task, and nothing says which {resource.name} the earlier ones have "
            "sent; sent again, they would be there twice. Look at MaestroQA. Then clear the task with "
            "on_unknown_outcome='resend' to send all of them. And set state_path: then a retry goes on where the try "
            "before has stopped."
        )
    return position


def _check_all(records: Iterable[object], resource: Resource) -> None:
    """A list costs nothing to look through, so that a bad record in it stops the push before anything is sent."""
    for index, record in enumerate(records):
        try:
            resource.record_type.check(record.record if isinstance(record, Located) else record)
        except MaestroQADataError as error:
            problem = error.message.rstrip(".")
        else:
            continue
        raise MaestroQADataError(
            f"Record {index} of the {resource.name.replace('_', ' ')} is refused: {problem}. Nothing was sent. "
            "Correct it, or set on_error='collect' to go on without such records."
        )
