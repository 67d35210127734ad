"""Waits for an export in the triggerer, without a worker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from airflow_provider_maestroqa._compat import BaseTrigger, TriggerEvent

if TYPE_CHECKING:
    from airflow_provider_maestroqa.client.errors import MaestroQAError
    from airflow_provider_maestroqa.client.resources.exports import Export
    from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook


class MaestroQAExportTrigger(BaseTrigger):
    """Looks at an export, less and less often, until it has ended or the deadline has passed.

    A passing failure (a dropped connection, a 5xx, a 429, a body that is no JSON) or a status that is not known does
    not end the wait; 401, 403 and 404 do. It fires one event:
    ``{"status": "complete" | "errored" | "refused" | "timeout", "export_id", "has_data", "message"}``.
    Nothing in the arguments or in the event is a secret.

    :param export_id: the export's id.
    :param poll_interval: seconds before the first look; each pause is then a fifth longer, up to five minutes.
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
        """Give the class and the arguments that make this trigger again."""
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
        from airflow_provider_maestroqa.client.resources.export_polling import ExportWait, Pause

        wait = ExportWait(self.export_id, poll_interval=self.poll_interval, deadline=self.deadline)
        await asyncio.sleep(wait.first_pause(time.time()))
        # Importing the hook takes half a second, once; the other triggers of this loop go on meanwhile.
        hook = await asyncio.to_thread(_make_hook, self.maestroqa_conn_id)
        while True:
            waited_before = hook.usage.waited_s
            seen = await self._look(hook)
            step = wait.after(seen, now=time.time(), waited_s=hook.usage.waited_s - waited_before)
            if not isinstance(step, Pause):
                break
            if step.news:
                (self.log.warning if step.is_warning else self.log.info)(step.news)
            await asyncio.sleep(step.seconds)
        await asyncio.to_thread(hook.close)
        yield TriggerEvent(dict(step))

    async def on_kill(self) -> None:
        """Say that the export outlives the task (Airflow 3.3 and newer)."""
        self.log.warning("Export %s goes on at MaestroQA: it cannot be cancelled there.", self.export_id)

    async def _look(self, hook: MaestroQAHook) -> Export | MaestroQAError:
        from airflow_provider_maestroqa.client.errors import MaestroQAError
        from airflow_provider_maestroqa.client.resources.export_polling import call_deadline

        try:
            return await hook.alook_at_export(self.export_id, deadline=call_deadline(self.deadline, now=time.time()))
        except MaestroQAError as error:
            return error


def _make_hook(conn_id: str) -> MaestroQAHook:
    from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook

    return MaestroQAHook(conn_id)
