"""Decides which presigned URLs Airflow masks by their text: only so many, because its masker never forgets one.

Each further text makes every log line of the process slower. So the first ones are masked by their text, and all of
them by their form, where libraries log them.
"""

from __future__ import annotations

from airflow_provider_maestroqa.client.presigned import cut_signatures_in_logs, secrets_of

#: Presigned URLs that are masked by their text in one process.
MAX_MASKED_URLS = 20
_masked = 0


def secrets_to_mask(url: object) -> list[str]:
    """Return the texts of a presigned URL that Airflow must mask."""
    global _masked
    secrets = secrets_of(url)
    if not secrets:
        return []
    cut_signatures_in_logs()
    if _masked >= MAX_MASKED_URLS:
        return []
    _masked += 1
    return secrets
