"""What operators, transfers and the sensor share: the connection, the link, the color, the hook and its errors."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow_provider_maestroqa._compat import BaseOperator
from airflow_provider_maestroqa.links import MaestroQALink
from airflow_provider_maestroqa.runtime.task_errors import airflow_errors

if TYPE_CHECKING:
    from airflow_provider_maestroqa._compat import BaseOperatorLink, BaseTrigger
    from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook

#: For so many seconds a deferrable task waits for a slot of the token's budget before its one poll on the worker.
FIRST_SLOT_S = 1.0
#: How long after the deadline Airflow itself ends a wait whose triggerer is gone.
TRIGGERER_GRACE = timedelta(minutes=10)


class MaestroQAOperator(BaseOperator):
    """A task that uses a connection to MaestroQA.

    Lineage is not part of it: where an operator reports lineage of its own, OpenLineage ignores what its hooks
    report.

    :param maestroqa_conn_id: id of the connection to MaestroQA.
    """

    template_fields: Sequence[str] = ("maestroqa_conn_id",)
    ui_color = "#e6f4ea"
    operator_extra_links: Collection[BaseOperatorLink] = (MaestroQALink(),)

    def __init__(self, *, maestroqa_conn_id: str = "maestroqa_default", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.maestroqa_conn_id = maestroqa_conn_id

    @contextmanager
    def open_hook(self) -> Iterator[MaestroQAHook]:
        """Open the connection's hook for a ``with`` block, and close it at its end.

        :raises AirflowFailException: raised from an error of this package that no retry can cure.
        """
        from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook

        with airflow_errors(), MaestroQAHook(self.maestroqa_conn_id) as hook:
            yield hook

    def defer_until(self, deadline: float, trigger: BaseTrigger) -> NoReturn:
        """Leave a wait to the triggerer, which resumes the task in ``execute_complete``.

        :param deadline: Unix time in seconds at which the wait ends.
        :param trigger: waits.
        """
        timeout = timedelta(seconds=max(deadline - time.time(), 0)) + TRIGGERER_GRACE
        self.defer(trigger=trigger, method_name="execute_complete", timeout=timeout)
        raise AssertionError("defer() does not return")


class ExportWaiter(MaestroQAOperator):
    """A task that waits for an export, on a worker or in the triggerer."""

    @property
    def pending_export_id(self) -> str | None:
        """The export that the task waits for; ``None`` before it is known."""
        raise NotImplementedError

    def defer_to_trigger(self, export_id: str, *, poll_interval: float, deadline: float) -> NoReturn:
        """Leave the wait to the triggerer, which resumes the task in ``execute_complete``.

        :param export_id: the export's id.
        :param poll_interval: seconds before the first poll there.
        :param deadline: Unix time in seconds at which the wait ends.
        """
        from airflow_provider_maestroqa.triggers.exports import MaestroQAExportTrigger

        self.defer_until(
            deadline,
            MaestroQAExportTrigger(
                export_id=export_id,
                poll_interval=poll_interval,
                deadline=deadline,
                maestroqa_conn_id=self.maestroqa_conn_id,
            ),
        )

    def on_kill(self) -> None:
        """Log that the export outlives the task."""
        if self.pending_export_id is not None:
            self.log.warning("Export %s continues at MaestroQA: it cannot be canceled there.", self.pending_export_id)
