"""Logs of tasks: whatever a try prints or logs goes into its task's file, as Airflow would do it."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

_PACKAGE = "airflow_provider_maestroqa"


@contextlib.contextmanager
def log_into(path: Path) -> Iterator[None]:
    """Append all that is printed and logged inside the block to a file."""
    saved = [os.dup(1), os.dup(2)]
    with path.open("ab") as file:
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, before in zip((1, 2), saved, strict=True):
            os.dup2(before, number)
            os.close(before)


def log_to_stdout() -> None:
    """Send all loggers to the standard output, the package's from DEBUG on."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(logging.INFO)
    for name in [*logging.root.manager.loggerDict]:
        logger = logging.getLogger(name)
        if name.startswith(("airflow", _PACKAGE)):
            logger.handlers.clear()
            logger.propagate = True
    logging.getLogger(_PACKAGE).setLevel(logging.DEBUG)
