"""``python -m airflow_provider_maestroqa``: commands for people."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from airflow_provider_maestroqa.check import command, storage

_ABOUT_STORAGE = "Check that a storage does what this package needs of it; writes a few objects and deletes them."
_ABOUT = "Check that an account of MaestroQA (Rippit) behaves as this package assumes; by default it only reads."


def make_parser() -> argparse.ArgumentParser:
    """The commands with their options."""
    parser = argparse.ArgumentParser(prog="python -m airflow_provider_maestroqa")
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check", help=_ABOUT, description=_ABOUT)
    check.set_defaults(run=command.run)
    command.add_arguments(check)
    check_storage = commands.add_parser("storage", help=_ABOUT_STORAGE, description=_ABOUT_STORAGE)
    check_storage.set_defaults(run=storage.run)
    storage.add_arguments(check_storage)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns what the process ends with."""
    parsed = make_parser().parse_args(arguments)
    return int(parsed.run(parsed))


if __name__ == "__main__":
    raise SystemExit(main())
