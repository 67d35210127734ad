from __future__ import annotations

import gzip
import io
import json
import threading
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from airflow_provider_maestroqa._compat import AirflowFailException
from airflow_provider_maestroqa.client.errors import MaestroQAConnectionError, MaestroQADataError
from airflow_provider_maestroqa.sandbox import Sandbox
from airflow_provider_maestroqa.transfers.object_storage_to_maestroqa import ObjectStorageToMaestroQAOperator

PATH = "/api/v1/ticket-metrics-batch"
COUNT = 1_200
FIELDS = ("ticket_id", "source_id", "agent_id", "metric_id", "metric_value", "timestamp")


def metrics(count=COUNT):
    for n in range(count):
        yield (f"{n:05d}", "zendesk", f"agent-{n % 20 + 1}", "csat", n + 0.5, "2026-01-31T12:00:00Z")


def as_csv(rows):
    lines = [",".join(FIELDS), *(",".join(map(str, row)) for row in rows)]
    return "".join(f"{line}\n" for line in lines).encode()


def as_json_lines(rows):
    return "".join(json.dumps(dict(zip(FIELDS, row, strict=True))) + "\n" for row in rows).encode()


def as_parquet(rows):
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = io.BytesIO()
    pq.write_table(pa.table(dict(zip(FIELDS, map(list, zip(*rows, strict=True)), strict=True))), sink)
    return sink.getvalue()


WRITERS = {".csv": as_csv, ".jsonl": as_json_lines, ".parquet": as_parquet}


@pytest.fixture(scope="module")
def running():
    with Sandbox(limits={}, unknown_tickets="accept") as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running):
    running.reset()
    return running


@pytest.fixture
def push(connection, sandbox):
    """Push the records of a file; the report."""

    def run(source, context=None, **changed):
        arguments = {"source": source, "resource": "ticket_metrics", **changed}
        task = ObjectStorageToMaestroQAOperator(task_id="push", **arguments)
        return task.execute({} if context is None else context)

    return run


def values(sandbox):
    return {key[1]: metric["metric_value"] for key, metric in sandbox.ticket_metrics.items()}


ALL = {f"{n:05d}": n + 0.5 for n in range(COUNT)}


@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gzipped"])
@pytest.mark.parametrize("ending", WRITERS)
def test_a_file_on_this_machine_arrives(push, sandbox, tmp_path, ending, zipped):
    content = WRITERS[ending](metrics())
    path = tmp_path / f"metrics{ending}{'.gz' if zipped else ''}"
    path.write_bytes(gzip.compress(content) if zipped else content)
    report = push(str(path))
    assert (report["resource"], report["confirmed"], report["requests"]) == ("ticket_metrics", COUNT, 3)
    assert values(sandbox) == ALL


@pytest.mark.parametrize("ending", WRITERS)
def test_a_file_of_csat_scores_arrives_with_the_answers_to_other_questions(push, sandbox, tmp_path, ending):
    answers = [{"question": "Was it solved?", "score": 4}]
    row = {"submitted_at": "2026-01-31T12:00:00Z", "ticket_id": "7", "agent_id": "agent-1", "score": 9, "top": 10}
    path = tmp_path / f"scores{ending}"
    if ending == ".csv":
        path.write_text(
            "submitted_at,ticket_id,agent_id,score,top,clarifying_answers\n"
            + ",".join(map(str, row.values()))
            + ',"[{""question"": ""Was it solved?"", ""score"": 4}]"\n'
        )
    elif ending == ".jsonl":
        path.write_text(json.dumps({**row, "clarifying_answers": answers}))
    else:
        pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        pq.write_table(pa.Table.from_pylist([{**row, "clarifying_answers": answers}]), path)
    mapping = {name: name for name in row if name != "top"} | {"max_score": "top"}
    report = push(str(path), resource="csat_scores", mapping={**mapping, "clarifying_answers": "clarifying_answers"})
    assert (report["resource"], report["created"]) == ("csat_scores", 1)
    del row["top"]
    assert sandbox.csat_scores == [{**row, "max_score": 10, "clarifying_answers": answers}]


@pytest.mark.parametrize("ending", WRITERS)
def test_an_object_in_s3_arrives(push, sandbox, s3, ending):
    content = gzip.compress(WRITERS[ending](metrics()))
    s3.put_object(Bucket="my-data-lake", Key=f"in/metrics{ending}.gz", Body=content)
    assert push(f"s3://my-data-lake/in/metrics{ending}.gz")["confirmed"] == COUNT
    assert values(sandbox) == ALL


def test_the_connection_may_stand_in_the_url_or_beside_it(push, s3, s3_server, monkeypatch):
    fields = {"conn_type": "aws", "login": "testing", "password": "testing", "extra": {"endpoint_url": s3_server}}
    monkeypatch.setenv("AIRFLOW_CONN_LAKE", json.dumps(fields))
    monkeypatch.delenv("AIRFLOW_CONN_AWS_DEFAULT")
    s3.put_object(Bucket="my-data-lake", Key="m.csv", Body=as_csv(metrics(3)))
    assert push("s3://lake@my-data-lake/m.csv")["confirmed"] == 3
    assert push("s3://my-data-lake/m.csv", storage_conn_id="lake")["confirmed"] == 3


def test_a_file_url_and_any_file_system_of_airflow_work(push, tmp_path, monkeypatch):
    import fsspec

    (tmp_path / "m.csv").write_bytes(as_csv(metrics(3)))
    assert push(f"file://{tmp_path}/m.csv")["confirmed"] == 3
    memory = fsspec.filesystem("memory")
    memory.pipe_file("/lake/m.jsonl", as_json_lines(metrics(4)))
    monkeypatch.setattr("airflow_provider_maestroqa._compat.get_fs", lambda scheme, conn_id: memory, raising=False)
    assert push("memory://lake/m.jsonl")["confirmed"] == 4
    memory.rm("/lake", recursive=True)


def test_an_object_storage_path_of_airflow_is_a_source(push, tmp_path):
    try:
        from airflow.sdk import ObjectStoragePath
    except ImportError:
        from airflow.io.path import ObjectStoragePath
    (tmp_path / "m.csv").write_bytes(as_csv(metrics(3)))
    assert push(ObjectStoragePath(f"file://{tmp_path}/m.csv"))["confirmed"] == 3


def test_a_mapping_renames_and_adds(push, sandbox, tmp_path):
    (tmp_path / "m.csv").write_bytes(b"id;who;score;team\n00001;agent-1;4;x\n")
    mapping = {
        "ticket_id": "id",
        "agent_id": "who",
        "metric_value": "score",
        "source_id": {"value": "zendesk"},
        "metric_id": {"value": "csat"},
        "timestamp": {"value": "2026-01-31"},
    }
    report = push(str(tmp_path / "m.csv"), mapping=mapping, delimiter=";", timezone="UTC")
    assert report["confirmed"] == 1
    assert values(sandbox) == {"00001": 4}


def test_comments_and_agents_come_from_files_as_well(push, sandbox, tmp_path):
    (tmp_path / "c.csv").write_bytes(b'ticket_id,body,public\n00001,"Hello,\nworld",true\n00001,Bye,0\n')
    assert push(str(tmp_path / "c.csv"), resource="comments")["created"] == 2
    assert [comment["body"] for comment in sandbox.comments] == ["Hello,\nworld", "Bye"]
    (tmp_path / "a.csv").write_bytes(b"name,available,email\nAnn,yes,ann@example.com\n")
    assert push(str(tmp_path / "a.csv"), resource="agents")["created"] == 1
    assert sandbox.agents["ann@example.com"]["available"] is True


def test_bad_lines_are_collected_with_their_places(push, sandbox, tmp_path):
    good = as_json_lines(metrics(4)).splitlines(keepends=True)
    (tmp_path / "m.jsonl").write_bytes(b"".join([good[0], b"nonsense\n", good[1], b"\n", b'{"a": 1}\n', *good[2:]]))
    rejects = tmp_path / "rejects.jsonl"
    report = push(str(tmp_path / "m.jsonl"), on_error="collect", rejects_path=f"file://{rejects}")
    assert (report["confirmed"], report["rejected"]) == (4, 2)
    first, second = [json.loads(line) for line in rejects.read_text().splitlines()]
    assert (first["index"], first["record"]) == (1, "nonsense")
    assert first["place"] == f"{tmp_path}/m.jsonl line 2"
    assert "is not JSON" in first["reason"]
    assert (second["index"], second["place"]) == (3, f"{tmp_path}/m.jsonl line 5")


def test_a_bad_line_stops_with_file_and_line(push, sandbox, tmp_path):
    content = as_csv(metrics(600)).splitlines(keepends=True)
    content[551] = content[551].replace(b"550.5", b"n/a")
    (tmp_path / "m.csv").write_bytes(b"".join(content))
    with pytest.raises(
        AirflowFailException, match=r"Record 550 \(.*/m\.csv line 552\) .* a number .* 'n/a'.*500 records"
    ):
        push(str(tmp_path / "m.csv"))


@pytest.mark.parametrize("content", [b"", b"\n\n"])
def test_an_empty_json_lines_file_and_a_header_alone_are_a_success(push, sandbox, tmp_path, content):
    (tmp_path / "m.jsonl").write_bytes(content)
    (tmp_path / "m.csv").write_bytes(as_csv([]))
    for name in ("m.jsonl", "m.csv"):
        report = push(str(tmp_path / name))
        assert (report["confirmed"], report["requests"]) == (0, 0)
    assert sandbox.requests == []


@pytest.mark.parametrize(
    ("name", "content", "changed", "message"),
    [
        ("m.csv", b"", {}, r"m\.csv line 1 should be the header, but the file is empty"),
        ("m.csv", b"a,b\n1,2\n", {}, r"the column 'a' is no field of a ticket metric"),
        ("m.csv", b"a;b\n1;2\n", {}, r"Set delimiter=';'"),
        ("m.csv", b"\xff\xfea", {}, r"is UTF-16 and damaged"),
        ("m.csv.gz", gzip.compress(as_csv(metrics(300)), mtime=0)[:-20], {}, r"its gzip stream is cut"),
        ("m.csv.gz", b"plain", {}, r"is named as a gzip file, but is none"),
        ("m.parquet", b"PAR1", {}, r"m\.parquet is no Parquet file"),
        ("m.dat", b"", {}, r"does not show its format"),
        ("m.csv", b"", {"file_format": "xml"}, r"file_format must be one of"),
        ("m.csv", b"", {"resource": "scores"}, r"resource must be one of"),
        ("m.csv", b"", {"mapping": {"x": "y"}}, r"mapping: 'x' is no field of a ticket metric"),
        ("m.csv", b"", {"timezone": "Mars"}, r"timezone must be"),
        ("m.csv", b"", {"delimiter": "::"}, r"delimiter must be one character"),
    ],
    ids=range(13),
)
def test_a_file_that_cannot_be_read_fails_at_once(push, sandbox, tmp_path, name, content, changed, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(AirflowFailException, match=message):
        push(str(tmp_path / name), **changed)
    assert sandbox.ticket_metrics == {}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("/nowhere/m.csv", r"There is no file /nowhere/m\.csv"),
        ("s3://my-data-lake/in/m.csv", r"There is no object s3://my-data-lake/in/m\.csv"),
        ("s3://no-such-bucket/m.csv", r"s3://no-such-bucket/m\.csv"),
        ("s3://my-data-lake/in/", r"names a folder"),
        ("nosuch://bucket/m.csv", r"nosuch:// cannot be opened"),
        ("https://example.com/m.csv", r"source must be a path on this machine or a storage URL"),
        ("", r"source must be a path"),
        (None, r"source must be a path"),
        ("None", r"source must be a path"),
    ],
)
def test_a_source_that_is_not_there_is_named_and_nothing_is_sent(push, sandbox, s3, source, message):
    with pytest.raises(AirflowFailException, match=message):
        push(source)
    assert sandbox.requests == []


@pytest.fixture
def breaking_s3(monkeypatch):
    """An S3 that announces more bytes than it gives."""
    content = as_csv(metrics(1000))

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()

        def do_GET(self):
            self.do_HEAD()
            self.wfile.write(content[: len(content) // 2])
            self.close_connection = True

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    extra = {"endpoint_url": f"http://127.0.0.1:{server.server_port}", "region_name": "us-east-1"}
    fields = {"conn_type": "aws", "login": "testing", "password": "testing", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_BREAKING", json.dumps(fields))
    yield "s3://breaking@bucket/m.csv"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_download_that_breaks_in_the_middle_sends_nothing_and_is_worth_a_retry(push, sandbox, breaking_s3):
    with pytest.raises(MaestroQAConnectionError, match=r"s3://bucket/m\.csv"):
        push(breaking_s3)
    assert sandbox.requests == []


def stop_halfway(push, sandbox, source, context):
    sandbox.fault("status", status=401, path=PATH, after=1)
    with pytest.raises(AirflowFailException):
        push(source, context)
    assert len(sandbox.ticket_metrics) == 500


def test_a_retry_reads_the_file_again_and_goes_on_where_it_stopped(push, sandbox, s3, context, task_state_store):
    s3.put_object(Bucket="my-data-lake", Key="m.csv", Body=as_csv(metrics()))
    stop_halfway(push, sandbox, "s3://my-data-lake/m.csv", context)
    sent = sandbox.count("POST", PATH)
    report = push("s3://my-data-lake/m.csv", context)
    assert (report["confirmed"], sandbox.count("POST", PATH) - sent) == (COUNT, 2)
    assert values(sandbox) == ALL
    assert task_state_store.values == {}


def test_a_file_that_has_changed_since_the_try_before_is_refused(push, sandbox, s3, context):
    s3.put_object(Bucket="my-data-lake", Key="m.csv", Body=as_csv(metrics()))
    stop_halfway(push, sandbox, "s3://my-data-lake/m.csv", context)
    sent = sandbox.count("POST", PATH)
    for body, message in ((as_csv(reversed(list(metrics()))), "another order"), (as_csv(metrics(3)), "fewer")):
        s3.put_object(Bucket="my-data-lake", Key="m.csv", Body=body)
        with pytest.raises(AirflowFailException, match=rf"not those of the earlier try.*{message}"):
            push("s3://my-data-lake/m.csv", context)
    assert sandbox.count("POST", PATH) == sent


def test_a_position_is_bound_to_the_file_the_format_and_the_mapping(push, sandbox, tmp_path, context):
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_bytes(as_csv(metrics()))
    stop_halfway(push, sandbox, str(tmp_path / "a.csv"), context)
    for name, changed in (
        ("b.csv", {}),
        ("a.csv", {"file_format": "csv"}),
        ("a.csv", {"mapping": {n: n for n in FIELDS}}),
    ):
        with pytest.raises(AirflowFailException, match="for other arguments"):
            push(str(tmp_path / name), context, **changed)
    assert push(str(tmp_path / "a.csv"), context)["confirmed"] == COUNT


def test_a_file_that_grows_while_it_is_pushed_is_an_error_worth_a_retry(push, sandbox, tmp_path, monkeypatch):
    from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook

    path = tmp_path / "m.csv"
    path.write_bytes(as_csv(metrics(600)))
    real = MaestroQAHook.push

    def push_and_write(self, *args, **kwargs):
        with path.open("ab") as file:
            file.write(b"00007")
        return real(self, *args, **kwargs)

    monkeypatch.setattr(MaestroQAHook, "push", push_and_write)
    with pytest.raises(MaestroQADataError, match=r"m\.csv was written to while it was read"):
        push(str(path), on_error="collect")


def test_all_arguments_are_rendered(connection, sandbox, tmp_path):
    (tmp_path / "m-2026-01-31.csv").write_bytes(b"id|who\n00001|agent-1\n")
    task = ObjectStorageToMaestroQAOperator(
        task_id="push",
        source=f"{tmp_path}/m-{{{{ ds }}}}.csv",
        resource="{{ what }}",
        mapping={
            "ticket_id": "{{ column }}",
            "agent_id": "who",
            "metric_value": {"value": "{{ score }}"},
            "source_id": {"value": "{{ ds }}"},
            "metric_id": {"value": "csat"},
            "timestamp": {"value": "{{ ds }}"},
        },
        delimiter="{{ sign }}",
        timezone="{{ zone }}",
        file_format="{{ form }}",
        update_first="{{ first }}",
    )
    given = {"what": "ticket_metrics", "column": "id", "score": "4.5", "sign": "|", "zone": "UTC", "form": "csv"}
    task.render_template_fields({"ds": "2026-01-31", "first": "False", **given})
    assert task.execute({})["confirmed"] == 1
    (metric,) = sandbox.ticket_metrics.values()
    assert (metric["source_id"], metric["metric_value"], metric["timestamp"]) == (
        "2026-01-31",
        4.5,
        "2026-01-31T00:00:00Z",
    )


def test_it_can_be_mapped_over_files():
    from airflow import DAG

    with DAG("d", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)):
        made = ObjectStorageToMaestroQAOperator.partial(task_id="push", resource="comments").expand(
            source=["s3://my-data-lake/a.csv", "s3://my-data-lake/b.csv"]
        )
    assert made.task_id == "push"


def test_the_log_says_what_is_read_and_how(push, tmp_path, log):
    (tmp_path / "m.csv.gz").write_bytes(gzip.compress(as_csv(metrics(2))))
    push(str(tmp_path / "m.csv.gz"))
    assert f"Reading {tmp_path}/m.csv.gz as csv, gzipped." in log.text
