"""``python -m airflow_provider_maestroqa.sandbox``: a MaestroQA on this machine until Ctrl-C."""

from __future__ import annotations

import argparse
import json
import shlex
import signal
from collections.abc import Sequence
from typing import Any

from airflow_provider_maestroqa.sandbox.api.tickets import ATTRIBUTE_TYPES
from airflow_provider_maestroqa.sandbox.faults import KINDS, Fault, fault_from_json, fault_from_text
from airflow_provider_maestroqa.sandbox.rate_limiter import REAL_LIMITS, Limits
from airflow_provider_maestroqa.sandbox.server import Sandbox


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a sandbox until SIGINT or SIGTERM.

    :param arguments: the command line without the program; by default this process's.
    :return: the exit code.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        sandbox = Sandbox(
            token=options.token,
            port=options.port,
            storage_port=options.storage_port,
            seed=options.seed,
            rows=options.rows,
            polls=options.polls,
            seconds=options.seconds,
            limits=options.limits,
            window_kind=options.window,
            count_refused=options.count_refused,
            retry_after=options.retry_after,
            url_ttl=options.url_ttl,
            agents=options.agents,
            custom_attributes=dict(options.attribute) or None,
            batch_mode=options.batch_mode,
            unknown_tickets=options.unknown_tickets,
            largest_body=options.largest_body,
            attachment_id_reuse=options.attachment_id_reuse,
            todos=options.todos,
            coaching_points=options.coaching_points,
            coaching_sessions=options.coaching_sessions,
            export_end_day=options.export_end_day,
        )
    except ValueError as error:
        parser.error(str(error))
    signals = {signal.SIGINT, signal.SIGTERM}
    # Blocked in this thread and those that it starts, a signal waits for sigwait and can come at no bad moment.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        with sandbox:
            for fault in options.fault:
                sandbox.fault(fault)
            print(_welcome(sandbox), flush=True)  # noqa: T201
            signal.sigwait(signals)
    except OSError as error:
        print(f"The sandbox cannot listen: {error}. Choose another --port or --storage-port.")  # noqa: T201
        return 1
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_maestroqa.sandbox",
        description="A MaestroQA to run on your desk, for tests. It listens on this machine only.",
        epilog="Faults: "
        + ", ".join(KINDS)
        + ". A fault is written as KIND, KIND=VALUE, KIND,name=value,… or as JSON.",
    )
    parser.add_argument("--port", type=int, default=8765, help="port of the API (8765; 0 takes a free one)")
    parser.add_argument(
        "--storage-port", type=int, default=8766, help="port of the storage (8766; 0 takes a free one)"
    )
    parser.add_argument("--token", default="sandbox-token", help="the API token that is let in (sandbox-token)")
    parser.add_argument("--rows", type=int, default=200, help="graded tickets in each export (200)")
    parser.add_argument("--polls", type=int, default=2, help="polls that answer 'not yet' (2)")
    parser.add_argument("--seconds", type=float, default=0.0, help="seconds that an export takes at least (0)")
    parser.add_argument("--seed", type=int, default=1, help="decides the content of the files (1)")
    parser.add_argument("--url-ttl", type=float, default=600.0, help="seconds until a presigned URL expires (600)")
    parser.add_argument("--limits", type=_limits, default=REAL_LIMITS, help="real, none, or JSON (real)")
    parser.add_argument("--window", choices=("sliding", "fixed"), default="sliding", help="kind of windows (sliding)")
    parser.add_argument("--count-refused", action="store_true", help="refused requests count towards the limits")
    parser.add_argument("--retry-after", action="store_true", help="a 429 carries Retry-After")
    parser.add_argument("--agents", type=int, default=20, help="agents that there are at the beginning (20)")
    parser.add_argument(
        "--attribute",
        type=_attribute,
        action="append",
        default=[],
        metavar="NAME=TYPE",
        help="a custom attribute of tickets: string, number or boolean; by default those of the API document",
    )
    parser.add_argument(
        "--batch-mode", choices=("atomic", "partial"), default="atomic", help="a batch with a bad record (atomic)"
    )
    parser.add_argument(
        "--unknown-tickets", choices=("refuse", "accept"), default="refuse", help="records of no ticket (refuse)"
    )
    parser.add_argument("--largest-body", type=int, default=64 << 20, help="bytes of a request (67108864)")
    parser.add_argument(
        "--attachment-id-reuse", choices=("again", "conflict"), default="again", help="an id sent twice (again)"
    )
    parser.add_argument("--todos", type=int, default=500, help="to-dos, made over the year 2026 (500)")
    parser.add_argument("--coaching-points", type=int, default=500, help="coaching points, likewise (500)")
    parser.add_argument("--coaching-sessions", type=int, default=250, help="coaching sessions, likewise (250)")
    parser.add_argument(
        "--export-end-day",
        choices=("included", "excluded"),
        default="included",
        help="the end day of an export of coaching sessions (included)",
    )
    parser.add_argument("--fault", type=_fault, action="append", default=[], help="something that shall go wrong")
    return parser


def _limits(text: str) -> Limits:
    if text in ("real", "none"):
        return REAL_LIMITS if text == "real" else {}
    try:
        limits: Any = json.loads(text)
        return {bucket: [(float(n), float(window)) for n, window in windows] for bucket, windows in limits.items()}
    except (ValueError, TypeError, AttributeError):
        raise argparse.ArgumentTypeError(f"real, none, or JSON such as {json.dumps(REAL_LIMITS)}") from None


def _attribute(text: str) -> tuple[str, str]:
    name, _, kind = text.rpartition("=")
    if not name or kind not in ATTRIBUTE_TYPES:
        raise argparse.ArgumentTypeError(f"NAME=TYPE, where the type is one of {', '.join(ATTRIBUTE_TYPES)}")
    return name, kind


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
