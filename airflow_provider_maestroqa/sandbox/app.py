"""The two web applications of a sandbox: the API and the storage."""

from __future__ import annotations

from aiohttp import web

from airflow_provider_maestroqa.sandbox import (
    agents_api,
    attachments_api,
    coaching_export_api,
    comments_api,
    control,
    exports_api,
    lists_api,
    metrics_api,
    storage,
    tickets_api,
)
from airflow_provider_maestroqa.sandbox.middlewares import faulty, recorder, refusals, token_and_limits
from airflow_provider_maestroqa.sandbox.state import STATE, State

#: The chapters of the API; a further one is a module with `add_routes`.
CHAPTERS = (
    exports_api,
    tickets_api,
    comments_api,
    attachments_api,
    agents_api,
    lists_api,
    coaching_export_api,
    metrics_api,
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
