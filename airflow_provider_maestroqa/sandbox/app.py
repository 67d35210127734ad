"""The two web applications of a sandbox: the API and the storage."""

from __future__ import annotations

from aiohttp import web

from airflow_provider_maestroqa.sandbox import control
from airflow_provider_maestroqa.sandbox.api import (
    agents,
    attachments,
    coaching_export,
    comments,
    exports,
    lists,
    metrics,
    tickets,
)
from airflow_provider_maestroqa.sandbox.middlewares import faulty, recorder, refusals, token_and_limits
from airflow_provider_maestroqa.sandbox.state import STATE, State
from airflow_provider_maestroqa.sandbox.storage import storage

#: The chapters of the API; a further one is a module with `add_routes`.
CHAPTERS = (
    exports,
    tickets,
    comments,
    attachments,
    agents,
    lists,
    coaching_export,
    metrics,
)


def api_app(state: State) -> web.Application:
    """The API host."""
    app = web.Application(
        middlewares=[recorder("api"), refusals, token_and_limits, faulty("api")],
        client_max_size=state.settings.largest_body,
    )
    app[STATE] = state
    control.add_routes(app)
    for chapter in CHAPTERS:
        chapter.add_routes(app)
    return app


def storage_app(state: State) -> web.Application:
    """The storage host."""
    app = web.Application(middlewares=[recorder("storage"), faulty("storage")])
    app[STATE] = state
    storage.add_routes(app)
    return app
