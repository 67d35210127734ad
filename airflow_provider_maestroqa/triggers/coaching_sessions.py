"""Starts DAG runs when there are new coaching sessions."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from airflow_provider_maestroqa._compat import BaseEventTrigger, TriggerEvent, has_asset_watchers
from airflow_provider_maestroqa.triggers.polls import make_hook, own_errors

if TYPE_CHECKING:
    from airflow_provider_maestroqa.client.resources.coaching_watch import SessionWatch
    from airflow_provider_maestroqa.client.resources.pagination import Record
    from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook

#: Seconds that one poll may take, including its wait for the request budget.
_POLL_TIMEOUT_S = 120.0
_KEY = "maestroqa_newest_coaching_session"


class MaestroQACoachingSessionTrigger(BaseEventTrigger):
    """Watches for new coaching sessions, for an asset's ``AssetWatcher`` (Airflow 3 and newer).

    It polls every ``poll_interval`` seconds, usually with one request, on the small share of the token's request
    budget that is meant for waiting. For all new sessions of a poll, it fires one event:
    ``{"status": "new", "resource": "coaching_sessions", "count", "since", "until"}``, with two times of creation. It
    never ends: after a failure it polls less often. Nothing in the arguments or in the event is a secret.

    On Airflow 3.3 and newer the time of the newest session is saved on the asset, so that a triggerer that restarts
    resumes from there. On an older one it then starts at ``since``, or else at that moment.

    :param poll_interval: seconds between two polls, 60 at least.
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
        """The class and the arguments that recreate this trigger."""
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
        """Poll forever; fire an event whenever there are new sessions."""
        from airflow_provider_maestroqa.client.errors import MaestroQAConfigError, MaestroQAError
        from airflow_provider_maestroqa.client.formatting import format_time

        if not has_asset_watchers():
            raise MaestroQAConfigError(
                "MaestroQACoachingSessionTrigger is for an asset's watcher, which needs Airflow 3. On Airflow 2 "
                "schedule the DAG by time, and use lookback."
            )
        watch = await self._begin()
        while True:
            # A hook for each poll, so that a token that was replaced in the connection is used.
            hook = await make_hook(self.maestroqa_conn_id)
            event = None
            requested_at = _now(hook)
            try:
                with own_errors("polling for coaching sessions"):
                    event = watch.on_sessions(await self._poll(hook, watch), requested_at=requested_at)
            except MaestroQAError as error:
                self.log.warning("%s", watch.on_error(error))
            finally:
                await asyncio.to_thread(hook.close)
            if event is not None:
                self.log.info("%d new coaching sessions, created up to %s.", event["count"], event["until"])
                yield TriggerEvent(dict(event))
                # Only now, so that an event that was lost with the triggerer is fired again.
                await self._save(format_time(watch.newest))
            # Many watchers must not poll at the same moment.
            await asyncio.sleep(watch.pause_s * random.uniform(0.9, 1.1))  # noqa: S311

    async def _begin(self) -> SessionWatch:
        from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
        from airflow_provider_maestroqa.client.parsing import parse_seconds, parse_time
        from airflow_provider_maestroqa.client.resources.coaching_watch import SessionWatch

        interval = parse_seconds(self.poll_interval, "poll_interval")
        hook = await make_hook(self.maestroqa_conn_id)
        now = _now(hook)
        newest = parse_time(now if self.since is None else self.since, "since")
        saved = await self._load()
        with contextlib.suppress(MaestroQAConfigError):
            # What is damaged is not resumed. Older versions may have saved a time ahead.
            newest = newest if saved is None else min(parse_time(saved, "the saved position"), now)
        filters = {"agent_id": self.agent_id, "creator_id": self.creator_id, "coach_id": self.coach_id}
        return SessionWatch(newest, poll_interval=interval, filters=filters)

    async def _poll(self, hook: MaestroQAHook, watch: SessionWatch) -> list[Record]:
        from airflow_provider_maestroqa.client.resources.catalogue import DEFAULT_PAGE_SIZE
        from airflow_provider_maestroqa.client.resources.pagination import Paginator

        records: list[Record] = []
        paginator = Paginator("list_coaching_sessions", watch.parameters(), page_size=DEFAULT_PAGE_SIZE)
        async with await hook.aclient() as client:
            while (request := paginator.next_request()) is not None:
                response = await client.send(request, deadline=hook.clock.wall() + _POLL_TIMEOUT_S, polling=True)
                records += paginator.add_page(response)
                if paginator.pause_s:
                    await asyncio.sleep(paginator.pause_s)
        return records

    async def _load(self) -> str | None:
        """Load the time of the newest session that an earlier run of this trigger saved."""
        store = getattr(self, "asset_state_store", None)
        if store is None:
            return None
        try:
            # Airflow 3.3.0 and 3.3.1 only have the blocking form.
            saved = await (store.aget(_KEY) if hasattr(store, "aget") else asyncio.to_thread(store.get, _KEY))
        except ValueError:
            self.log.warning("Several assets have this watcher, so its position cannot be saved on one of them.")
            return None
        return saved if isinstance(saved, str) else None

    async def _save(self, newest: str) -> None:
        store = getattr(self, "asset_state_store", None)
        if store is None:
            return
        try:
            await (store.aset(_KEY, newest) if hasattr(store, "aset") else asyncio.to_thread(store.set, _KEY, newest))
        except ValueError:
            return


def _now(hook: MaestroQAHook) -> datetime:
    return datetime.fromtimestamp(hook.clock.wall(), timezone.utc)
