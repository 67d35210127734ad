"""A sandbox in a process of its own, which can be asked what has become of the records that were sent to it.

Each line of its input is a command as JSON, each line of its output the answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import threading
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
    """The server, started and asked from another process.

    :param delay_s: by how many seconds each response is late.
    """

    def __init__(self, delay_s=0.0):
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(delay_s)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
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


class LateResponses(threading.Thread):
    """Passes on what clients and the sandbox say to each other; what the sandbox says comes later."""

    def __init__(self, port, delay_s):
        super().__init__(daemon=True)
        self._port, self._delay_s = port, delay_s
        self._listening = threading.Event()
        self.url = ""

    def run(self):
        asyncio.run(self._serve())

    def wait_for_url(self):
        self._listening.wait()
        return self.url

    async def _serve(self):
        server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._listening.set()
        await server.serve_forever()

    async def _relay(self, reader, writer):
        upstream_reader, upstream = await asyncio.open_connection("127.0.0.1", self._port)
        await asyncio.gather(self._copy(reader, upstream, 0.0), self._copy(upstream_reader, writer, self._delay_s))

    async def _copy(self, reader, writer, delay_s):
        with contextlib.suppress(OSError):
            while block := await reader.read(1 << 16):
                await asyncio.sleep(delay_s)
                writer.write(block)
                await writer.drain()
        writer.close()


def serve(delay_s):
    with Sandbox() as sandbox:
        url = sandbox.url
        if delay_s:
            late = LateResponses(int(url.rpartition(":")[2]), delay_s)
            late.start()
            url = late.wait_for_url()
        for line in sys.stdin:
            message = json.loads(line)
            command = message.pop("command")
            answer = {"where": lambda: url, "report": lambda: report(sandbox)}.get(command)
            print(json.dumps(answer() if answer else begin(sandbox, **message)), flush=True)


if __name__ == "__main__":
    serve(float(sys.argv[1]))
