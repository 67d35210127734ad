"""The command ``python -m airflow_provider_maestroqa check``."""

from __future__ import annotations

import argparse
import contextlib
import logging
import sys
from pathlib import Path
from typing import TextIO

from airflow_provider_maestroqa.check.finding import Verdict

#: How the process ends: as read, otherwise, no check (as argparse does), and interrupted as shells have it.
EXIT_AS_READ, EXIT_OTHERWISE, EXIT_NO_CHECK, EXIT_INTERRUPTED = 0, 1, 2, 130
_STANDARD_OUTPUT = "-"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("--conn-id", default="maestroqa_default", help="id of the connection (%(default)s)")
    parser.add_argument(
        "--write",
        action="store_true",
        help="also write: a ticket with a comment, a metric and an attachment, all deleted again with the ticket",
    )
    parser.add_argument(
        "--burst",
        action="store_true",
        help="also send more requests than a second allows, once: others that use the token wait a moment",
    )
    parser.add_argument(
        "--json",
        nargs="?",
        const=_STANDARD_OUTPUT,
        metavar="FILE",
        help="write a profile for the sandbox's option --like into a file, or to the standard output",
    )


def run(arguments: argparse.Namespace) -> int:
    """Check the account of a connection, and print what was found.

    :return: 0 when all is as read, 1 when something is otherwise, 2 when there was no check, 130 after Ctrl-C.
    """
    if arguments.json not in (None, _STANDARD_OUTPUT) and not Path(arguments.json).resolve().parent.is_dir():
        return _fail(f"The folder of {arguments.json} does not exist.")
    before = logging.root.manager.disable
    try:
        logging.disable(logging.INFO)
        return _run(arguments)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    finally:
        logging.disable(before)


def _run(arguments: argparse.Namespace) -> int:
    with contextlib.redirect_stdout(sys.stderr):
        # What Airflow prints while it starts belongs to no report.
        from airflow_provider_maestroqa.check.account import CheckedAccount
        from airflow_provider_maestroqa.check.hook import CheckHook
        from airflow_provider_maestroqa.check.report import installed_versions, profile, table
        from airflow_provider_maestroqa.check.runner import run_check
        from airflow_provider_maestroqa.client.errors import MaestroQAError

        hook = CheckHook(arguments.conn_id)
        try:
            settings = hook.settings
        except MaestroQAError as error:
            return _fail(str(error))
        except Exception as error:  # noqa: BLE001 - each secrets backend has its own
            return _fail(f"Connection {arguments.conn_id!r} cannot be read ({type(error).__name__}: {error}).")
        _note(f"Checking the account at {settings.base_url}. Ctrl-C ends it at any time.")
        granted = [name for name in ("write", "burst") if getattr(arguments, name)]
        with hook:
            report = run_check(CheckedAccount(hook), granted=granted, log=_note)
        now, versions = hook.clock.wall(), installed_versions()
    if report.left_behind:
        _note(f"The ticket {report.left_behind} of this check may still be there. Delete it.")
    # A profile on the standard output stands there alone.
    _print(table(report, versions=versions, now=now), sys.stderr if arguments.json == _STANDARD_OUTPUT else None)
    if arguments.json is not None:
        saved = profile(report, versions=versions, now=now)
        if arguments.json == _STANDARD_OUTPUT:
            _print(saved)
        else:
            Path(arguments.json).write_text(f"{saved}\n", encoding="utf-8")
    if report.is_interrupted:
        return EXIT_INTERRUPTED
    return EXIT_OTHERWISE if report.count(Verdict.OTHERWISE) else EXIT_AS_READ


def _fail(message: str) -> int:
    _note(message)
    return EXIT_NO_CHECK


def _note(text: str) -> None:
    _print(text, sys.stderr)


def _print(text: str, stream: TextIO | None = None) -> None:
    print(text, file=stream, flush=True)
