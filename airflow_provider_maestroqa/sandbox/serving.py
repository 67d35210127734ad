"""Serves a sandbox's two hosts: their applications, their sockets, and the event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import errno
import socket
from concurrent.futures import Future

from aiohttp import web

from airflow_provider_maestroqa.sandbox import control
from airflow_provider_maestroqa.sandbox.api import (
    agents,
    attachments,
    coaching_export,
    comments,
    csat,
    data_deletion,
    exports,
    lists,
    metrics,
    scim,
    scim_groups,
    tickets,
)
from airflow_provider_maestroqa.sandbox.middlewares import (
    error_middleware,
    fault_middleware,
    log_middleware,
    own_pages_only,
    send_date,
    send_security_headers,
    token_and_limits,
)
from airflow_provider_maestroqa.sandbox.state import STATE, State
from airflow_provider_maestroqa.sandbox.storage import files

#: The chapters of the API; a further one is a module with `routes`.
CHAPTERS = (
    exports,
    tickets,
    comments,
    attachments,
    agents,
    lists,
    coaching_export,
    metrics,
    csat,
    scim,
    scim_groups,
    data_deletion,
)
_SHUTDOWN_TIMEOUT = 0.2
_TRIES = 20


def api_app(state: State) -> web.Application:
    """The API host."""
    app = web.Application(
        middlewares=[
            log_middleware("api"),
            error_middleware,
            own_pages_only,
            token_and_limits,
            fault_middleware("api"),
        ],
        client_max_size=state.options.largest_body,
    )
    app[STATE] = state
    app.on_response_prepare.append(send_date)
    app.on_response_prepare.append(send_security_headers)
    for chapter in (control, *CHAPTERS):
        app.router.add_routes(chapter.routes)
    return app


def storage_app(state: State) -> web.Application:
    """The storage host."""
    app = web.Application(middlewares=[log_middleware("storage"), fault_middleware("storage")])
    app[STATE] = state
    app.router.add_routes(files.routes)
    return app


def serve(
    loop: asyncio.AbstractEventLoop,
    state: State,
    api: list[socket.socket],
    storage: list[socket.socket],
    ready: Future[None],
) -> None:
    """Serve until the loop is stopped."""
    asyncio.set_event_loop(loop)
    runners = [_runner(app) for app in (api_app(state), storage_app(state))]

    async def begin() -> None:
        for runner, sockets in zip(runners, (api, storage), strict=True):
            await runner.setup()
            for sock in sockets:
                await web.SockSite(runner, sock).start()

    async def end() -> None:
        state.paused.release()
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
        shutdown_timeout=_SHUTDOWN_TIMEOUT,
        # Wide enough that a URL that is too long is logged before it is rejected.
        max_line_size=1 << 18,
    )


def storage_sockets(host: str, port: int) -> list[socket.socket]:
    """On 127.0.0.1 the storage listens on whatever ``localhost`` may mean: also on ::1 where there is one."""
    for _ in range(_TRIES):
        first = listen(host, port)
        if host != "127.0.0.1":
            return [first]
        try:
            return [first, listen("::1", first.getsockname()[1])]
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                return [first]
            first.close()
            if port:
                raise
    raise OSError(errno.EADDRINUSE, "No port was found that is free on both 127.0.0.1 and ::1.")


def listen(host: str, port: int) -> socket.socket:
    """Listen on an address."""
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(128)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock
