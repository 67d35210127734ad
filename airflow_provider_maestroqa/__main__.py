"""``python -m airflow_provider_maestroqa``: commands for people."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from airflow_provider_maestroqa.check import command

_ABOUT = "Check that an account of MaestroQA (Rippit) behaves as this package assumes; by default it only reads."


def make_parser() -> argparse.ArgumentParser:
    """The commands with their options."""
    parser = argparse.ArgumentParser(prog="python -m airflow_provider_maestroqa")
    commands = parser.add_subparsers(dest="command", required=True)
    command.add_arguments(commands.add_parser("check", help=_ABOUT, description=_ABOUT))
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns what the process ends with."""
    return command.run(make_parser().parse_args(arguments))


if __name__ == "__main__":
    raise SystemExit(main())
