"""Waits in the triggerer, without a worker, until customers' data is deleted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_maestroqa._compat import BaseTrigger, TriggerEvent
from airflow_provider_maestroqa.triggers.polls import make_hook, own_errors

if TYPE_CHECKING:
    from airflow_provider_maestroqa.client.resources.data_deletion import DataDeletion
    from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook


class MaestroQADataDeletionTrigger(BaseTrigger):
    """Poll deletions of customers' data until all have ended, and fire one event.

    The event has the keys of :class:`~airflow_provider_maestroqa.client.resources.deletion_polling.DeletionEvent`.
    Neither the arguments nor the event hold an e-mail address.

    :param deletion_ids: ids of the deletions.
    :param poll_interval: seconds between two polls of the same deletion.
    :param deadline: Unix time in seconds at which the wait ends, fixed when it began.
    :param maestroqa_conn_id: id of the connection to MaestroQA.
    """

    def __init__(
        self,
        deletion_ids: Sequence[str],
        poll_interval: float,
        deadline: float,
        maestroqa_conn_id: str = "maestroqa_default",
    ) -> None:
        super().__init__()
        self.deletion_ids = deletion_ids
        self.poll_interval = poll_interval
        self.deadline = deadline
        self.maestroqa_conn_id = maestroqa_conn_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The class and the arguments that recreate this trigger."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "deletion_ids": self.deletion_ids,
                "poll_interval": self.poll_interval,
                "deadline": self.deadline,
                "maestroqa_conn_id": self.maestroqa_conn_id,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, then fire one event."""
        from airflow_provider_maestroqa.client.resources.deletion_polling import DeletionWait, apoll_deletions

        wait = DeletionWait(self.deletion_ids, poll_interval=self.poll_interval, deadline=self.deadline)
        await asyncio.sleep(wait.pause(time.time()))
        hook = await make_hook(self.maestroqa_conn_id)
        event = await apoll_deletions(
            wait,
            lambda deletion_id, deadline: self._poll(hook, deletion_id, deadline),
            log=self.log,
            clock=hook.clock,
        )
        await asyncio.to_thread(hook.close)
        yield TriggerEvent(dict(event))

    async def _poll(self, hook: MaestroQAHook, deletion_id: str, deadline: float) -> DataDeletion:
        with own_errors(f"polling deletion {deletion_id}"):
            return await hook.aget_data_deletion(deletion_id, deadline=deadline, polling=True)

    async def on_kill(self) -> None:
        """Log that the deletions outlive the task (Airflow 3.3 and newer)."""
        self.log.warning("The deletions continue at MaestroQA: they cannot be canceled there.")
