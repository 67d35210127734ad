"""A triggerer: a process that runs many waits in one event loop, as Airflow's does."""

from __future__ import annotations

import asyncio
import gc
import importlib
import os
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from soak.logs import log_into, log_to_stdout
from soak.measures import open_files, resident_kib
from soak.sent import mark_requests

_SAMPLE_EVERY_S = 5.0


def run_triggers(pipe: Connection, folder: Path) -> None:
    """Run the triggers that come through the pipe, until it is closed."""
    mark_requests()
    with log_into(folder / "logs" / f"triggerer-{os.getpid()}.log"):
        log_to_stdout()
        asyncio.run(_serve(pipe))


async def _serve(pipe: Connection) -> None:
    closed = asyncio.Event()
    running: set[asyncio.Task[None]] = set()

    def receive() -> None:
        try:
            number, path, arguments = pipe.recv()
        except EOFError:
            closed.set()
            return
        task = asyncio.create_task(_wait(pipe, number, path, arguments))
        running.add(task)
        task.add_done_callback(running.discard)

    asyncio.get_running_loop().add_reader(pipe.fileno(), receive)
    sampling = asyncio.create_task(_sample(pipe, running))
    await closed.wait()
    for task in (sampling, *running):
        task.cancel()


async def _wait(pipe: Connection, number: int, path: str, arguments: dict[str, Any]) -> None:
    module, _, name = path.rpartition(".")
    made = getattr(importlib.import_module(module), name)(**arguments)
    async for event in made.run():
        pipe.send({"trigger": number, "event": event.payload})
        return


async def _sample(pipe: Connection, running: set[asyncio.Task[None]]) -> None:
    while True:
        await asyncio.sleep(_SAMPLE_EVERY_S)
        gc.collect()
        pipe.send({"kib": resident_kib(), "files": open_files(), "waits": len(running)})
