"""Starts DAG runs when there are new coaching sessions."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from airflow_provider_maestroqa._compat import BaseEventTrigger, TriggerEvent, has_asset_watchers

if TYPE_CHECKING:
    from airflow_provider_maestroqa.client.resources.coaching_watch import SessionWatch
    from airflow_provider_maestroqa.client.resources.pagination import Record
    from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook

#: Seconds that one look may take with its wait for the request budget.
_LOOK_S = 120.0
_KEY = "maestroqa_newest_coaching_session"


class MaestroQACoachingSessionTrigger(BaseEventTrigger):
    """Watches for new coaching sessions, for an asset's ``AssetWatcher`` (Airflow 3 and newer).

    It looks every ``poll_interval`` seconds, with one request where nothing much is new, on the small share of the
    token's request budget that is meant for waiting. For all sessions that a look finds new, it fires one event:
    ``{"status": "new", "resource": "coaching_sessions", "count", "since", "until"}``, with two times of creation. It
    never ends: after a failure it looks less often. Nothing in the arguments or in the event is a secret.

    On Airflow 3.3 and newer the time of the newest session is kept on the asset, so that a triggerer that starts anew
    goes on from there. On older ones it then begins at ``since``, or else at that moment.

    :param poll_interval: seconds between two looks, 60 at least.
    :param since: sessions created after this time are new: ISO 8601 text with a time zone. Default: the start.
    :param agent_id: only sessions with this agent.
    :param creator_id: only sessions made by this user.
    :param coach_id: only sessions with this coach.
    :param maestroqa_conn_id: id of the connection to MaestroQA.
    """

    def __init__(
        self,
        poll_interval: float = 300,
        since: str | None = None,
        agent_id: str | None = None,
        creator_id: str | None = None,
        coach_id: str | None = None,
        maestroqa_conn_id: str = "maestroqa_default",
    ) -> None:
        super().__init__()
        self.poll_interval = poll_interval
        self.since = since
        self.agent_id = agent_id
        self.creator_id = creator_id
        self.coach_id = coach_id
        self.maestroqa_conn_id = maestroqa_conn_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Give the class and the arguments that make this trigger again."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "poll_interval": self.poll_interval,
                "since": self.since,
                "agent_id": self.agent_id,
                "creator_id": self.creator_id,
                "coach_id": self.coach_id,
                "maestroqa_conn_id": self.maestroqa_conn_id,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look for ever; fire an event whenever there is news."""
        from airflow_provider_maestroqa.client.errors import MaestroQAConfigError, MaestroQAError

        if not has_asset_watchers():
            raise MaestroQAConfigError(
                "MaestroQACoachingSessionTrigger is for an asset's watcher, which needs Airflow 3. On Airflow 2 "
                "schedule the DAG by time, and look back with lookback."
            )
        watch = await self._begin()
        while True:
            # A hook for each look: a token that was replaced in the connection is then found.
            hook = await asyncio.to_thread(_make_hook, self.maestroqa_conn_id)
            event = None
            try:
                event = watch.after(await self._look(hook, watch))
            except MaestroQAError as error:
                self.log.warning("%s", watch.failed(error))
            finally:
                await asyncio.to_thread(hook.close)
            if event is not None:
                self.log.info("%d new coaching sessions, created up to %s.", event["count"], event["until"])
                yield TriggerEvent(dict(event))
                # Only now: an event that was lost with the triggerer is fired again.
                await self._keep(event["until"])
            # Many watchers must not look at the same moment.
            await asyncio.sleep(watch.pause_s * random.uniform(0.9, 1.1))  # noqa: S311

    async def _begin(self) -> SessionWatch:
        from airflow_provider_maestroqa.client.parsing import parse_seconds, parse_time
        from airflow_provider_maestroqa.client.resources.coaching_watch import SessionWatch

        interval = parse_seconds(self.poll_interval, "poll_interval")
        kept = await self._kept()
        begin: object = datetime.now(timezone.utc) if self.since is None and kept is None else self.since
        newest = parse_time(begin if kept is None else kept, "since")
        filters = {"agent_id": self.agent_id, "creator_id": self.creator_id, "coach_id": self.coach_id}
        return SessionWatch(newest, poll_interval=interval, filters=filters)

    async def _look(self, hook: MaestroQAHook, watch: SessionWatch) -> list[Record]:
        from airflow_provider_maestroqa.client.resources.catalogue import DEFAULT_PAGE_SIZE
        from airflow_provider_maestroqa.client.resources.pagination import Paginator

        found: list[Record] = []
        paginator = Paginator("list_coaching_sessions", watch.parameters(), page_size=DEFAULT_PAGE_SIZE)
        async with await hook.aclient() as client:
            while (call := paginator.next_request()) is not None:
                found += paginator.add_page(await client.send(call, deadline=time.time() + _LOOK_S, polling=True))
                if paginator.pause_s:
                    await asyncio.sleep(paginator.pause_s)
        return found

    async def _kept(self) -> str | None:
        """The time of the newest session, as an earlier run of this trigger kept it."""
        store = getattr(self, "asset_state_store", None)
        if store is None:
            return None
        try:
            # Airflow 3.3.0 and 3.3.1 only have the blocking form.
            kept = await (store.aget(_KEY) if hasattr(store, "aget") else asyncio.to_thread(store.get, _KEY))
        except ValueError:
            self.log.warning(
                "Several assets have this watcher, so how far it has seen cannot be kept on one of them."
            )
            return None
        return kept if isinstance(kept, str) else None

    async def _keep(self, newest: str) -> None:
        store = getattr(self, "asset_state_store", None)
        if store is None:
            return
        try:
            await (store.aset(_KEY, newest) if hasattr(store, "aset") else asyncio.to_thread(store.set, _KEY, newest))
        except ValueError:
            return


def _make_hook(conn_id: str) -> MaestroQAHook:
    from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook

    return MaestroQAHook(conn_id)
