"""Landing from the sandbox's storage host, with what can go wrong there."""

import gzip
import hashlib

import pytest
import requests

from airflow_provider_maestroqa.client.errors import MaestroQAConnectionError, MaestroQADataError, MaestroQAError

WINDOW = {"startDate": "2021-03-01T00:00:00Z", "endDate": "2021-03-08T00:00:00Z"}


@pytest.fixture
def export(sandbox, session):
    """A complete export: its id, a source of fresh URLs, and the truth about its files."""

    class Export:
        def __init__(self):
            self.id = self.api("POST", "request-raw-export", WINDOW)["exportId"]
            while not self.fresh_url():
                pass

        def api(self, method, path, body):
            headers = {"apitoken": sandbox.token}
            url = f"{sandbox.url}/api/v1/{path}"
            with requests.request(method, url, json=body, headers=headers, timeout=10) as answer:
                return answer.json()

        def fresh_url(self):
            return self.api("GET", "get-export-data", {"exportId": self.id}).get("dataUrl")

        @property
        def files(self):
            return sandbox.exports[self.id].stored.files

    return Export()


@pytest.fixture
def land_it(land, memory, export):
    def run(**changed):
        return land(memory, export_id=export.id, fresh_url=export.fresh_url, **changed)

    return run


def assert_right(manifest, memory, export):
    assert len(manifest["files"]) == len(export.files) == 5
    for file in manifest["files"]:
        known = export.files[file["name"].removesuffix(".gz")]
        content = gzip.decompress(memory.get_bytes(file["name"]))
        assert hashlib.sha256(content).hexdigest() == known.sha256
        assert (file["content_bytes"], file["crc32"], file["rows"]) == (known.bytes, known.crc32, known.rows)


@pytest.mark.parametrize(
    "faults",
    [
        [],
        [{"kind": "expired_url"}],
        [{"kind": "expire_after_bytes", "at": 5000}],
        [{"kind": "drop_at_byte", "at": at} for at in (0, 1, 4096, 9999)],
        [{"kind": "drop_at_byte", "at": 3000, "times": 5}],
        [{"kind": "reset_at_byte", "at": 3000}],
        [{"kind": "drop_at_byte", "at": 7000}, {"kind": "changed", "after": 1}],
        [{"kind": "drop_at_byte", "at": 7000}, {"kind": "no_range", "after": 1}],
        [{"kind": "drop_at_byte", "at": 7000}, {"kind": "wrong_range", "after": 1}],
        [{"kind": "drop_at_byte", "at": 7000}, {"kind": "no_etag", "times": 3}],
        [{"kind": "no_length"}],
        [{"kind": "status", "status": 503, "host": "storage", "times": 3}],
    ],
    ids=lambda faults: "+".join(fault["kind"] for fault in faults) or "none",
)
def test_the_whole_export_lands_in_spite_of(sandbox, land_it, memory, export, faults):
    for fault in faults:
        sandbox.fault(**fault)
    assert_right(land_it(count_rows=True), memory, export)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"kind": "truncated"}, MaestroQADataError),
        ({"kind": "corrupt"}, MaestroQADataError),
        ({"kind": "html_200"}, MaestroQADataError),
        ({"kind": "xml_200"}, MaestroQADataError),
        ({"kind": "empty_file"}, MaestroQADataError),
        ({"kind": "expired_url", "times": None}, MaestroQAError),
        ({"kind": "status", "status": 500, "host": "storage", "times": None}, MaestroQAConnectionError),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else None,
)
def test_nothing_is_published_and_a_retry_is_worth_it_after(sandbox, land_it, memory, export, fault, error):
    sandbox.fault(**fault)
    with pytest.raises(error) as caught:
        land_it()
    assert caught.value.retryable
    assert memory.fs.find(memory.root) == []
    sandbox.clear_faults()
    assert_right(land_it(count_rows=True), memory, export)


def test_an_endless_file_stops_at_the_limit(sandbox, land_it):
    sandbox.fault(kind="endless")
    with pytest.raises(MaestroQADataError, match="Request a shorter window"):
        land_it(limits={"max_bytes": 3_000_000})


def test_no_token_reaches_the_storage_host(sandbox, land_it, session):
    session.headers["apitoken"] = sandbox.token
    land_it()
    stored = [request for request in sandbox.requests if request.host == "storage"]
    assert stored
    assert not any("apitoken" in {name.lower() for name in request.headers} for request in stored)
