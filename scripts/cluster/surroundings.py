"""What the cluster talks to: a sandbox MaestroQA that counts, an S3, and the Redis with the budget."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from processes import undisturbed
from redis_server import RedisServer

from airflow_provider_maestroqa.sandbox import Sandbox

BUCKET = "lake"
Limits = dict[str, list[list[int]]]
#: The real limits, but the minute takes half as long.
FAST: Limits = {"normal": [[10, 1], [100, 30]], "hard": [[1, 1], [30, 30]]}
#: The real pace, counted in half minutes.
REAL_PACE: Limits = {"normal": [[10, 1], [50, 30]], "hard": [[1, 1], [15, 30]]}


@dataclass
class Surroundings:
    """What is there beside Airflow.

    :param limits: the API's rate limits, as in a connection's extra.
    :param redis: Celery's broker, and in another of its databases the budget.
    :param connections: Airflow connections as JSON, by id.
    """

    limits: Limits
    sandbox: Sandbox
    s3: Any
    redis: RedisServer
    connections: dict[str, str]


@contextmanager
def surroundings(folder: Path, limits: Limits, *, export_s: float) -> Iterator[Surroundings]:
    """Run them, in this process but for Redis.

    :param export_s: seconds that MaestroQA needs to prepare an export.
    """
    import boto3
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    redis = RedisServer(folder, persistent=True)
    sandbox = Sandbox(limits=limits, rows=50, polls=1, seconds=export_s, unknown_tickets="accept")
    with sandbox:
        server.start()
        try:
            redis.start()
            host, port = server.get_host_and_port()
            endpoint, login = f"http://{host}:{port}", "local-s3"
            s3 = boto3.client(
                "s3",
                endpoint_url=endpoint,
                region_name="us-east-1",
                aws_access_key_id=login,
                aws_secret_access_key=login,
            )
            s3.create_bucket(Bucket=BUCKET)
            aws = {"conn_type": "aws", "login": login, "password": login}
            connections = {
                # Workers and triggerers share no folder: only a store that all reach keeps them within the limits.
                "maestroqa_default": sandbox.connection_json(
                    rate_limit_store=f"{redis.url.removesuffix('0')}1", rate_limits=limits
                ),
                "aws_default": json.dumps({**aws, "extra": {"endpoint_url": endpoint, "region_name": "us-east-1"}}),
            }
            yield Surroundings(limits, sandbox, s3, redis, connections)
            s3.close()
        finally:
            with undisturbed():
                redis.stop()
                server.stop()
