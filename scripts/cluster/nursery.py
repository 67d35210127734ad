"""The process that all parts of Airflow are forked from: it has imported what they share, which takes each seconds.

Reads a part in JSON from each line of its input, and answers with the id of its process. Airflow itself is imported
by each part, with a home of its own, unless it is named on the command line as something to import as well. When the
input ends, so do the parts.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import signal
import sys
import warnings
from contextlib import suppress

#: What the parts import besides Airflow itself.
LIBRARIES = (
    "aiohttp",
    "alembic",
    "asyncpg",
    "boto3",
    "cadwyn",
    "celery.apps.worker",
    "celery.backends.database",
    "celery.concurrency.prefork",
    "cryptography",
    "fastapi",
    "flower",
    "httpx",
    "jinja2",
    "kombu.transport.redis",
    "msgspec",
    "pendulum",
    "psycopg2",
    "pydantic",
    "requests",
    "rich",
    "sqlalchemy.dialects.postgresql",
    "sqlalchemy.ext.asyncio",
    "sqlalchemy.orm",
    "starlette",
    "structlog",
    "uvicorn",
)


def main() -> None:
    """Serve until the input ends."""
    warnings.simplefilter("ignore")
    # Whatever is logged meanwhile is no answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    for name in (*LIBRARIES, *sys.argv[1:]):
        with suppress(ImportError):
            importlib.import_module(name)
    gc.freeze()
    # Nobody waits for them: none stays behind as a zombie.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    sessions = []
    for line in sys.stdin:
        process = os.fork()
        if not process:
            _become(json.loads(line))
        sessions.append(process)
        print(process, file=answers, flush=True)
    for session in sessions:
        with suppress(ProcessLookupError):
            os.killpg(session, signal.SIGKILL)


def _become(part: dict) -> None:
    """Go on as a part of Airflow, in a session of its own."""
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    log = os.open(part["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for source, target in ((os.open(os.devnull, os.O_RDONLY), 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.environ.clear()
    os.environ.update(part["environment"])
    os.chdir(os.environ["AIRFLOW_HOME"])
    sys.argv = ["airflow", *part["command"]]
    runpy.run_module("airflow", run_name="__main__", alter_sys=True)
    sys.exit()


if __name__ == "__main__":
    # Airflow is to find no module of this folder.
    del sys.path[0]
    main()
