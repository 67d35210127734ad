"""The event loop that serves a sandbox's two hosts, in a thread of its own."""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import Future

from aiohttp import web

from airflow_provider_maestroqa.sandbox.app import api_app, storage_app
from airflow_provider_maestroqa.sandbox.state import State

_CLOSING_TIME = 0.2


def serve(
    loop: asyncio.AbstractEventLoop,
    state: State,
    api: list[socket.socket],
    storage: list[socket.socket],
    ready: Future[None],
) -> None:
    """Serve until the loop is stopped.

    :param ready: is told when both hosts can be reached, or why they cannot.
    """
    asyncio.set_event_loop(loop)
    runners = [_runner(app) for app in (api_app(state), storage_app(state))]

    async def begin() -> None:
        for runner, sockets in zip(runners, (api, storage), strict=True):
            await runner.setup()
            for sock in sockets:
                await web.SockSite(runner, sock).start()

    async def end() -> None:
        state.holds.release()
        await asyncio.gather(*(runner.cleanup() for runner in runners))
        rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    try:
        try:
            loop.run_until_complete(begin())
        except BaseException as error:  # noqa: BLE001
            ready.set_exception(error)
            return
        loop.call_soon(ready.set_result, None)
        loop.run_forever()
        loop.run_until_complete(end())
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def _runner(app: web.Application) -> web.AppRunner:
    return web.AppRunner(
        app,
        access_log=None,
        handler_cancellation=True,
        shutdown_timeout=_CLOSING_TIME,
        # Wide enough that a URL that is too long is recorded before it is refused.
        max_line_size=1 << 18,
    )
