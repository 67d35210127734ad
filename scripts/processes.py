"""Processes that others start in their turn, such as Airflow's: all of them end, and ports that are free."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil

#: Seconds that a family has to end by itself.
_GRACE_S = 10.0


def free_port(preferred: int = 0) -> int:
    """The port that is wanted, or any other that is free on all addresses of this machine."""
    for port in (preferred, 0):
        with suppress(OSError), socket.socket() as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind(("", port))
            return int(tried.getsockname()[1])
    raise RuntimeError("No port is free on this machine.")


def stop_family(process: subprocess.Popen[bytes]) -> None:
    """End Airflow and all that it has started, also what has left its family since."""
    known: dict[int, psutil.Process] = {}
    # The parts are asked first: their parent would end without asking them.
    for one in family_of(process.pid, known):
        with suppress(psutil.Error):
            if one.ppid() == process.pid:
                one.terminate()
    deadline = time.monotonic() + _GRACE_S
    while time.monotonic() < deadline and any(one.pid != process.pid for one in family_of(process.pid, known)):
        time.sleep(0.2)
    for one in family_of(process.pid, known):
        with suppress(psutil.Error):
            one.kill()
    process.wait(timeout=30)
    psutil.wait_procs(list(known.values()), timeout=10)


def family_of(session: int, known: dict[int, psutil.Process]) -> list[psutil.Process]:
    """Add to what is known all that belongs to a session or descends from the known; those that are alive."""
    for one in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if os.getsid(one.pid) == session:
                known.setdefault(one.pid, one)
    for one in list(known.values()):
        with suppress(psutil.Error):
            known.update({child.pid: child for child in one.children(recursive=True) if child.pid not in known})
    return [one for one in known.values() if is_alive(one)]


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


@contextmanager
def undisturbed() -> Iterator[None]:
    """A second Ctrl-C must not leave anything running."""
    before = {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, signal.SIG_IGN)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
