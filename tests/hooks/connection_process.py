"""An Airflow of its own, for tests of how connections get into it. Reads its orders as JSON from standard input.

Writes JSON to the file named first: the settings of each connection, as a server, a task and the triggerer read them,
and the result of each command and request.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import importlib
import io
import json
import os
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

warnings.simplefilter("ignore")


def make_database() -> None:
    from airflow.utils.db import initdb

    with contextlib.redirect_stdout(io.StringIO()):
        initdb()


def command(words: list[str]) -> dict:
    """Run ``airflow`` followed by these words."""
    from airflow.cli.cli_parser import get_parser

    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        try:
            arguments = get_parser().parse_args(words)
            exit_code = arguments.func(arguments)
        except SystemExit as stop:
            exit_code = stop.code
    return {"exit_code": exit_code or 0, "output": output.getvalue()}


def settings_of(conn_id: str) -> dict:
    from airflow_provider_maestroqa.client.errors import MaestroQAError
    from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook

    try:
        with MaestroQAHook(conn_id) as hook:
            return dataclasses.asdict(hook.settings)
    except MaestroQAError as error:
        return {"error": str(error)}


async def settings_in_triggerer(conn_id: str) -> dict:
    from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook

    hook = MaestroQAHook(conn_id)
    await hook.aclient()
    return dataclasses.asdict(hook.settings)


DAG_FILE = """
import json
from datetime import datetime, timezone
from pathlib import Path

from airflow import DAG
from airflow_provider_maestroqa._compat import BaseOperator

HERE = Path(__file__).parent


class Read(BaseOperator):
    def execute(self, context):
        from connection_process import settings_of

        settings = {conn_id: settings_of(conn_id) for conn_id in json.loads((HERE / "conn_ids.json").read_text())}
        (HERE / "settings.json").write_text(json.dumps(settings))


with DAG("reads_connections", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)) as dag:
    Read(task_id="read")
"""


def settings_in_a_task(conn_ids: list[str]) -> dict:
    """Run a DAG whose one task reads the connections as tasks do: on Airflow 3 through the API server."""
    folder = Path(os.environ["AIRFLOW_HOME"]) / "dags"
    folder.mkdir()
    (folder / "conn_ids.json").write_text(json.dumps(conn_ids))
    (folder / "reads_connections.py").write_text(DAG_FILE)
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    with contextlib.redirect_stdout(io.StringIO()):
        importlib.import_module("reads_connections").dag.test()
    return json.loads((folder / "settings.json").read_text())


def form_of_2(data: dict) -> str:
    """Fill in the form of Airflow 2 as a person would; the extra that it stores."""
    form, view, app = _form_of_2()
    fields = {"conn_id": "form", "conn_type": "maestroqa", **{f"extra__maestroqa__{k}": v for k, v in data.items()}}
    with app.test_request_context(method="POST", data=fields):
        filled = form()
        type(view).process_form(view, filled, True)
        return filled.extra.data


def edit_in_2(conn_id: str) -> str:
    """Open a connection in the form of Airflow 2 and save it as it is; the extra that it stores."""
    import re

    from airflow.hooks.base import BaseHook

    form, view, app = _form_of_2()
    stored = BaseHook.get_connection(conn_id)
    shown = {}
    with app.test_request_context(method="GET"):
        opened = form(obj=SimpleNamespace(conn_id=conn_id, conn_type="maestroqa", extra=stored.extra))
        type(view).prefill_form(view, opened, 1)
        for name, field in opened._fields.items():
            if name.startswith("extra__maestroqa__"):
                html = str(field()).replace("&#39;", "'").replace("&#34;", '"')
                found = re.search(r'value="(.*)">$|>\n?(.*)</textarea>', html, re.DOTALL)
                if 'type="checkbox"' not in html or " checked" in html:
                    shown[name.removeprefix("extra__maestroqa__")] = found[1] or found[2] or ""
        shown_extra = opened.extra.data
    fields = {"conn_id": conn_id, "conn_type": "maestroqa", "extra": shown_extra}
    with app.test_request_context(
        method="POST", data={**fields, **{f"extra__maestroqa__{k}": v for k, v in shown.items()}}
    ):
        saved = form()
        type(view).process_form(view, saved, False)
        return saved.extra.data


def _form_of_2():
    from airflow.providers_manager import ProvidersManager
    from airflow.www.forms import create_connection_form_class
    from airflow.www.views import ConnectionModelView
    from flask import Flask
    from flask_babel import Babel

    app = Flask("form")
    app.config.update(SECRET_KEY="form", WTF_CSRF_ENABLED=False)
    Babel(app)

    class View(ConnectionModelView):
        def __init__(self):
            """Without the web server around it."""

        def _iter_extra_field_names_and_sensitivity(self):
            widgets = ProvidersManager().connection_form_widgets
            return ((key, widget.field_name, widget.is_sensitive) for key, widget in widgets.items())

    return create_connection_form_class(), View(), app


def api_of_3(requests: list) -> list:
    """Send requests to the API server of Airflow 3, as its UI does."""
    from airflow.api_fastapi.app import create_app, get_auth_manager
    from fastapi.testclient import TestClient

    responses = []
    with TestClient(create_app(apps="core"), base_url="http://testserver") as client:
        from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

        token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username="someone", role="admin"))
        client.headers["Authorization"] = f"Bearer {token}"
        for method, path, body in requests:
            if method == "EDIT":
                # As the UI does: it shows the stored connection, and sends what it shows.
                shown = client.get(path).json()
                method, body = "PATCH", {name: shown[name] for name in body}
            response = client.request(method, path, json=body)
            responses.append({"status": response.status_code, "text": response.text})
    return responses


def form_fields() -> dict:
    """The form's fields as the UI of this Airflow gets them."""
    try:
        from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService
    except ImportError:
        from airflow.providers_manager import ProvidersManager

        manager = ProvidersManager()
        fields = {
            widget.field_name: {
                "class": widget.field.field_class.__name__,
                "label": str(widget.field.args[0]),
                "description": widget.field.kwargs["description"],
                "secret": widget.is_sensitive,
            }
            for name, widget in manager.connection_form_widgets.items()
            if name.startswith("extra__maestroqa__")
        }
        return {"standard": manager.field_behaviours["maestroqa"], "extra": fields}
    (meta,) = [meta for meta in HookMetaService.hook_meta_data() if meta.connection_type == "maestroqa"]
    dumped = meta.model_dump(mode="json")
    return {"standard": dumped["standard_fields"], "extra": dumped["extra_fields"]}


def tested_on_a_worker(fields: dict) -> list:
    """What *Test* says where Airflow runs it on a worker, with a connection that is stored nowhere."""
    from airflow.sdk import Connection

    return list(Connection(conn_id="stored_nowhere", **fields).test_connection())


def main(results_file: str) -> None:
    orders = json.load(sys.stdin)
    make_database()
    results = {"form": form_fields(), "commands": [command(words) for words in orders.get("commands", [])]}
    if orders.get("api"):
        results["api"] = api_of_3(orders["api"])
    if orders.get("worker"):
        results["worker"] = tested_on_a_worker(orders["worker"])
    saved = {name: form_of_2(data) for name, data in orders.get("forms", {}).items()}
    saved |= {name: edit_in_2(name) for name in orders.get("edits", [])}
    for name, extra in saved.items():
        command(["connections", "delete", name])
        command(["connections", "add", name, "--conn-type", "maestroqa", *orders["standard"], "--conn-extra", extra])
    conn_ids = orders["conn_ids"]
    results["server"] = {conn_id: settings_of(conn_id) for conn_id in conn_ids}
    results["triggerer"] = {conn_id: asyncio.run(settings_in_triggerer(conn_id)) for conn_id in conn_ids}
    results["task"] = settings_in_a_task(conn_ids)
    Path(results_file).write_text(json.dumps(results, default=str))


if __name__ == "__main__":
    os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")
    main(sys.argv[1])
