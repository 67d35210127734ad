"""Airflow's public API, as a user's script would use it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import requests


@dataclass
class AirflowAPI:
    """The API of an Airflow where everybody is an admin.

    :param url: of the API server.
    """

    url: str
    _token: str = field(default="", repr=False)

    def is_healthy(self, dag_ids: Collection[str]) -> bool:
        """Whether all parts are healthy and the DAGs are there."""
        with suppress(requests.RequestException):
            health = self._ask("GET", "/monitor/health")
            parts = ("metadatabase", "scheduler", "triggerer", "dag_processor")
            if all(health[part]["status"] == "healthy" for part in parts):
                return set(dag_ids) <= {dag["dag_id"] for dag in self._ask("GET", "/dags?limit=50")["dags"]}
        return False

    def start_run(self, dag_id: str, run_id: str, conf: dict[str, Any]) -> None:
        """Let a DAG run."""
        self._ask("PATCH", f"/dags/{dag_id}", {"is_paused": False})
        self._ask("POST", f"/dags/{dag_id}/dagRuns", {"dag_run_id": run_id, "logical_date": None, "conf": conf})

    def run_state(self, dag_id: str, run_id: str) -> str:
        """The state of a run."""
        return str(self._ask("GET", f"/dags/{dag_id}/dagRuns/{run_id}")["state"])

    def tasks(self, dag_id: str, run_id: str, **query: str) -> list[dict[str, Any]]:
        """The task instances of a run."""
        words = "".join(f"&{name}={value}" for name, value in query.items())
        found: list[dict[str, Any]] = []
        while True:
            path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances?limit=100&offset={len(found)}{words}"
            page = self._ask("GET", path)
            found += page["task_instances"]
            if len(found) >= page["total_entries"] or not page["task_instances"]:
                return found

    def states(self, dag_id: str, run_id: str) -> Counter[str]:
        """How many task instances of a run are in which state."""
        return Counter(str(one["state"]) for one in self.tasks(dag_id, run_id))

    def log(self, dag_id: str, run_id: str, task_id: str, map_index: int, try_number: int) -> str:
        """The log of a try, as text."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/{try_number}?map_index={map_index}"
        return json.dumps(self._ask("GET", path)["content"], ensure_ascii=False)

    def set_variable(self, key: str, value: str) -> None:
        """Set an Airflow variable."""
        self._ask("POST", "/variables", {"key": key, "value": value})

    def clear(self, dag_id: str, run_id: str, task_id: str, map_index: int) -> None:
        """Clear a task instance, so that it runs again."""
        wanted = {"dry_run": False, "dag_run_id": run_id, "task_ids": [[task_id, map_index]], "only_failed": False}
        self._ask("POST", f"/dags/{dag_id}/clearTaskInstances", wanted)

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        with requests.Session() as session:
            # No proxy for this machine itself.
            session.trust_env = False
            if not self._token:
                self._token = session.get(f"{self.url}/auth/token", timeout=30).json()["access_token"]
            response = session.request(
                method,
                f"{self.url}/api/v2{path}",
                json=body,
                headers={"Authorization": f"Bearer {self._token}"},
                timeout=30,
            )
        response.raise_for_status()
        content: dict[str, Any] = response.json()
        return content
