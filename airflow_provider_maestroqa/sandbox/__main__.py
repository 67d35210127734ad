"""``python -m airflow_provider_maestroqa.sandbox``: a MaestroQA on this machine until Ctrl-C."""

from __future__ import annotations

import argparse
import json
import shlex
import signal
from collections.abc import Sequence

from airflow_provider_maestroqa.sandbox.faults import KINDS, Fault, fault_from_json, fault_from_text
from airflow_provider_maestroqa.sandbox.options import command_line_options, from_command_line
from airflow_provider_maestroqa.sandbox.profiles import profile_options
from airflow_provider_maestroqa.sandbox.server import Sandbox


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a sandbox until SIGINT or SIGTERM."""
    parser = _parser()
    parsed = parser.parse_args(arguments)
    try:
        if parsed.like is not None:
            parsed = _parser(like=parsed.like).parse_args(arguments)
        sandbox = Sandbox(**from_command_line(parsed))
    except (ValueError, OSError) as error:
        parser.error(str(error))
    signals = {signal.SIGINT, signal.SIGTERM}
    # Blocked in this thread and those that it starts, a signal waits for sigwait and can come at no bad moment.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        with sandbox:
            for fault in parsed.fault:
                sandbox.fault(fault)
            print(_welcome(sandbox), flush=True)  # noqa: T201
            signal.sigwait(signals)
    except OSError as error:
        print(f"The sandbox cannot listen: {error}. Choose another --port or --storage-port.")  # noqa: T201
        return 1
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return 0


def _parser(*, like: str | None = None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_maestroqa.sandbox",
        description="A MaestroQA to run on your desk, for tests. Without --bind it listens on this machine only.",
        epilog=f"Faults: {', '.join(KINDS)}. A fault is written as KIND, KIND=VALUE, KIND,name=value,… or as JSON.",
    )
    for name, option in command_line_options().items():
        option.add_to(parser, name)
    parser.add_argument("--like", metavar="FILE", help="behave like the account of this profile, which a check wrote")
    parser.add_argument("--fault", type=_fault, action="append", default=[], help="something that goes wrong")
    if like is not None:
        # Options that are given beside it take precedence.
        parser.set_defaults(**profile_options(like))
    return parser


def _fault(text: str) -> Fault:
    try:
        return fault_from_json(json.loads(text)) if text.startswith("{") else fault_from_text(text)
    except (ValueError, TypeError) as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _welcome(sandbox: Sandbox) -> str:
    # Without a named store all processes of this machine share one budget, as with the real MaestroQA.
    connection = shlex.quote(sandbox.connection_json(rate_limit_store=None))
    return f"""MaestroQA sandbox
  API      {sandbox.url}   (a page about it is there)
  storage  {sandbox.storage_url}

Make the connection for Airflow in one of these ways:

  export AIRFLOW_CONN_MAESTROQA_DEFAULT={connection}

  airflow connections add maestroqa_default --conn-json {connection}

Stop it with Ctrl-C."""


if __name__ == "__main__":
    raise SystemExit(main())
