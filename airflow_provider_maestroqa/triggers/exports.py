"""Waits for an export in the triggerer, without a worker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from airflow_provider_maestroqa._compat import BaseTrigger, TriggerEvent
from airflow_provider_maestroqa.triggers.polls import make_hook, own_errors

if TYPE_CHECKING:
    from airflow_provider_maestroqa.client.resources.exports import Export
    from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook


class MaestroQAExportTrigger(BaseTrigger):
    """Polls an export, less and less often, until it has ended or the deadline has passed.

    A passing failure (a dropped connection, a 5xx, a 429, a body that is no JSON) or a status that is not known does
    not end the wait; 401, 403 and 404 do. It fires one event:
    ``{"status": "complete" | "errored" | "refused" | "timeout", "export_id", "has_data", "message"}``. An event
    with the status ``refused`` also has ``error`` (the name of the error's class) and, where there was a response,
    ``http_status``. Nothing in the arguments or in the event is a secret.

    :param export_id: the export's id.
    :param poll_interval: seconds before the first poll; the pauses then grow up to five minutes.
    :param deadline: Unix time in seconds at which the wait ends, fixed when it began.
    :param maestroqa_conn_id: id of the connection to MaestroQA.
    """

    def __init__(
        self,
        export_id: str,
        poll_interval: float,
        deadline: float,
        maestroqa_conn_id: str = "maestroqa_default",
    ) -> None:
        super().__init__()
        self.export_id = export_id
        self.poll_interval = poll_interval
        self.deadline = deadline
        self.maestroqa_conn_id = maestroqa_conn_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The class and the arguments that recreate this trigger."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "export_id": self.export_id,
                "poll_interval": self.poll_interval,
                "deadline": self.deadline,
                "maestroqa_conn_id": self.maestroqa_conn_id,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, then fire one event."""
        from airflow_provider_maestroqa.client.resources.export_polling import ExportWait, apoll_export

        wait = ExportWait(self.export_id, poll_interval=self.poll_interval, deadline=self.deadline)
        await asyncio.sleep(wait.initial_delay(time.time()))
        hook = await make_hook(self.maestroqa_conn_id)
        event = await apoll_export(
            wait,
            lambda deadline: self._poll(hook, deadline),
            budget_wait_s=lambda: hook.request_stats.waited_s,
            log=self.log,
            clock=hook.clock,
        )
        await asyncio.to_thread(hook.close)
        yield TriggerEvent(dict(event))

    async def _poll(self, hook: MaestroQAHook, deadline: float) -> Export:
        with own_errors(f"polling export {self.export_id}"):
            return await hook.apoll_export(self.export_id, deadline=deadline)

    async def on_kill(self) -> None:
        """Log that the export outlives the task (Airflow 3.3 and newer)."""
        self.log.warning("Export %s continues at MaestroQA: it cannot be canceled there.", self.export_id)
