"""A sandbox in a process of its own, which can be asked what has become of the records that were sent to it.

Each line of its input is a command as JSON, each line of its output the answer.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter

import requests

from airflow_provider_maestroqa.sandbox import Sandbox

TICKETS = 10
BATCHES = "/api/v1/*-batch"
#: What goes wrong in turn: nothing is carried out, or all is, and no answer or a bad one comes.
FAULTS = (
    {"kind": "status", "status": 503},
    {"kind": "reset_after"},
    {"kind": "status", "status": 503, "done": True},
    {"kind": "reset_before"},
)
_MOST_FAULTS = 60


class PushServer:
    """The server, started and asked from another process."""

    def __init__(self):
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.url = self._ask("where")

    def begin(self, *, limits, fault_every=0):
        """Forget everything; let something go wrong at every so many requests that are within the limits."""
        self._ask("begin", limits=limits, fault_every=fault_every)

    def report(self):
        """Tell of each request when it came, its status and its number of records; and how often each is there."""
        return self._ask("report")

    def close(self):
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def _ask(self, command, **parameters):
        self._process.stdin.write(json.dumps({"command": command, **parameters}) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


def begin(sandbox, limits, fault_every):
    sandbox.set_limits({})
    sandbox.reset()
    for number in range(TICKETS):
        ticket = {"ticket_id": f"T-{number}", "type": "phone", "subject": "S", "agents": ["agent-1"], "link": "L"}
        headers = {"apitoken": sandbox.token}
        requests.post(f"{sandbox.url}/api/v1/tickets", json=ticket, headers=headers, timeout=10).raise_for_status()
    sandbox.set_limits({"normal": limits} if limits else {})
    for number in range(_MOST_FAULTS if fault_every else 0):
        fault = FAULTS[number % len(FAULTS)]
        sandbox.fault(path=BATCHES, after=fault_every * (number + 1) - 1, **fault)


def report(sandbox):
    stored = Counter(one["body"] for one in sandbox.comments)
    stored.update(one["ticket_event_id"] for one in sandbox.ticket_metrics.values())
    batches = [one for one in sandbox.requests if one.path.endswith("-batch")]
    return {
        "requests": [
            (one.at, one.status, len(one.body["batch"]) if one.status in (200, 201) else 0) for one in batches
        ],
        "stored": stored,
    }


def serve():
    with Sandbox() as sandbox:
        for line in sys.stdin:
            message = json.loads(line)
            command = message.pop("command")
            answer = {"where": lambda: sandbox.url, "report": lambda: report(sandbox)}.get(command)
            print(json.dumps(answer() if answer else begin(sandbox, **message)), flush=True)


if __name__ == "__main__":
    serve()
