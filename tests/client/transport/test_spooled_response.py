from __future__ import annotations

import json
import resource

import pytest

from airflow_provider_maestroqa.client.endpoints import build_request
from airflow_provider_maestroqa.client.errors import MaestroQAError
from airflow_provider_maestroqa.client.transport.spooled_response import SpooledJsonArray

RECORDS = [{"_id": str(number)} for number in range(200)]
BODY = json.dumps(RECORDS).encode()


def test_records_come_back_as_they_were_written():
    with SpooledJsonArray(build_request("export_coaching_sessions")) as spooled:
        spooled.write(b"[1, 2")
        spooled.restart()
        for start in range(0, len(BODY), 1000):
            spooled.write(BODY[start : start + 1000])
        spooled.finish()
        assert (list(spooled.records()), spooled.size) == (RECORDS, len(BODY))


def test_a_disk_that_is_full_in_the_middle_of_a_block_is_not_taken_for_a_whole_response():
    """A full disk takes a part of a block without an error, and only fails at the next write."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with SpooledJsonArray(build_request("export_coaching_sessions")) as spooled:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
        try:
            with pytest.raises(MaestroQAError, match=r"temporary folder .* is full .*TMPDIR") as caught:
                spooled.write(BODY)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.retryable
