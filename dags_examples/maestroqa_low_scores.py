"""Every hour, tell a channel of each new score under a threshold, once."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime, timedelta, timezone
from typing import Any

from airflow import DAG

try:
    from airflow.sdk import task
except ImportError:  # Airflow 2
    from airflow.decorators import task

from airflow_provider_maestroqa.operators.exports import MaestroQARequestExportOperator
from airflow_provider_maestroqa.transfers.export_to_s3 import MaestroQAExportToS3Operator

# [START howto_low_scores]
BUCKET = "my-data-lake"
#: Which scores have been found, and by which run: a grade that changes is exported again.
FOUND = "maestroqa/state/low_scores_found.json"
#: Of the best score that the rubric allows.
THRESHOLD = 0.6

with DAG(
    dag_id="maestroqa_low_scores",
    schedule="@hourly",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    # Each run resumes where the last one ended, so runs must not overlap.
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    tags=["maestroqa", "example"],
) as dag:
    request = MaestroQARequestExportOperator(
        task_id="request",
        single_file_export="total_scores",
        incremental="watermark",
        # The same object in every run: it holds how far the last one came.
        state_path=f"s3://{BUCKET}/maestroqa/state/low_scores.json",
        # The very first run starts here.
        lookback=timedelta(days=1),
        wait_for_completion=True,
        deferrable=True,
    )
    land = MaestroQAExportToS3Operator(
        task_id="land",
        export_id=request.output,
        window=request.output["window"],
        s3_bucket=BUCKET,
        s3_prefix="maestroqa/low_scores/run={{ run_id }}",
        file_format="csv",
        clean=True,
    )

    @task
    def find(manifest: dict[str, Any], run_id: str | None = None) -> list[dict[str, str]]:
        """Return the low scores that no earlier run has found. A retry returns the same ones again."""
        from airflow.providers.amazon.aws.hooks.s3 import S3Hook

        s3 = S3Hook()
        found = json.loads(s3.read_key(FOUND, BUCKET)) if s3.check_for_key(FOUND, BUCKET) else {}
        low = {}
        for file in manifest["files"]:
            text = s3.read_key(file["uri"].removeprefix(f"s3://{BUCKET}/"), BUCKET)
            for row in csv.DictReader(io.StringIO(text, newline="")):
                score, best = row["rubric_score"], row["max_rubric_score"]
                # A ticket may have several grades: its id does not tell them apart.
                key = json.dumps([row[name] for name in file["natural_key"]])
                if (
                    score
                    and best
                    and float(score) < THRESHOLD * float(best)
                    and found.setdefault(key, run_id) == run_id
                ):
                    low[key] = {name: row[name] for name in ("gradable_id", "agent_name", "rubric_name")}
                    low[key]["score"] = f"{score} of {best}"
        s3.load_string(json.dumps(found), FOUND, BUCKET, replace=True)
        return list(low.values())

    # Without retries: when the chat's response is lost, it may show the message nevertheless.
    @task(retries=0, max_active_tis_per_dagrun=1)
    def tell(score: dict[str, str]) -> None:
        """Send a message by Slack's chat.postMessage: the connection's host is its URL, the password is the token."""
        from airflow.providers.http.hooks.http import HttpHook

        chat = HttpHook(method="POST", http_conn_id="quality_chat")
        token = chat.get_connection("quality_chat").password
        text = "{agent_name} got {score} in {rubric_name} for ticket {gradable_id}.".format(**score)
        response = chat.run(json={"channel": "#quality", "text": text}, headers={"Authorization": f"Bearer {token}"})
        if not response.json()["ok"]:
            raise RuntimeError(f"The chat rejected the message: {response.json()['error']}")

    tell.expand(score=find(land.output))
# [END howto_low_scores]
