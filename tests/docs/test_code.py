import importlib.util
import json
import os
import re
import subprocess
import sys

import boto3
import pytest

from airflow_provider_maestroqa._compat import BaseOperator
from airflow_provider_maestroqa.client.settings import read_settings
from airflow_provider_maestroqa.sandbox import Sandbox

# SQL, INI and YAML are checked beside their pages.
LANGUAGES = {"python", "json", "bash", "text", "sql", "ini", "yaml"}


def dag_of(namespace):
    """The DAG that a block or file makes, whether it has a name or not."""
    return next(
        (value.dag for value in namespace.values() if isinstance(value, BaseOperator) and value.has_dag()), None
    )


def execute(block):
    namespace = {"__name__": "block"}
    code = compile("\n" * block.line + block.text, str(block.page), "exec")
    exec(code, namespace)
    return namespace


def test_every_block_has_a_language_that_is_checked(page, code_of):
    for block in code_of(page):
        assert block.language in LANGUAGES or block.language.startswith("{"), f"{block}: {block.language!r}"


def test_python_runs_as_it_stands(python_block, connection, sandbox, capsys):
    namespace = execute(python_block)
    made = [value for value in namespace.values() if isinstance(value, BaseOperator)]
    shown = capsys.readouterr().out or re.search(r"sandbox\.fault\(|^MaestroQA\w+Operator\(", python_block.text, re.M)
    assert made or shown, f"{python_block} shows nothing"
    if "with DAG(" in python_block.text:
        assert len(dag_of(namespace).tasks) >= 2


def test_the_dag_in_the_readme_has_the_shape_of_the_example(read, code_of, root):
    (block,) = [block for block in code_of(root / "README.md") if block.language == "python"]
    path = root / "dags_examples" / "maestroqa_raw_export_to_s3.py"
    spec = importlib.util.spec_from_file_location("the_example", path)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    ours, theirs = (dag_of(namespace) for namespace in (execute(block), vars(example)))
    assert ours.dag_id == theirs.dag_id
    assert [shape(task) for task in ours.tasks] == [shape(task) for task in theirs.tasks]


def shape(task):
    free = {"count_rows", "window"}
    fields = {name: str(getattr(task, name)) for name in task.template_fields if name not in free}
    waits = (getattr(task, "deferrable", None), getattr(task, "timeout", None))
    return type(task).__name__, task.task_id, sorted(task.upstream_task_ids), fields, waits


def test_the_test_in_the_sandbox_page_passes(code_of, root, tmp_path, migrated_home):
    for block in code_of(root / "docs" / "sandbox.md"):
        name = "dags/my_dag.py" if "with DAG(" in block.text else "test_my_dag.py"
        if name.startswith("dags") or "def test_" in block.text:
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(block.text)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, "test_my_dag.py"],
        cwd=tmp_path,
        env={
            **migrated_home,
            "PYTHONPATH": f"{root}{os.pathsep}{tmp_path / 'dags'}",
            "AIRFLOW__CORE__DAGS_FOLDER": str(tmp_path / "dags"),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_json_parses_and_a_connection_in_it_is_accepted(json_block):
    value = json.loads(json_block.text)
    assert isinstance(value, dict)
    if value.get("conn_type") == "maestroqa":
        fields = {name: value.get(name) for name in ("host", "schema", "port", "password", "extra")}
        assert read_settings("docs", **fields).unknown_keys == ()


@pytest.fixture
def landed(connection, s3):
    """The manifest of a real export with counted rows."""
    from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook
    from airflow_provider_maestroqa.transfers.export_to_s3 import MaestroQAExportToS3Operator

    with MaestroQAHook() as hook:
        export_id = hook.request_raw_export("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")
        while not hook.get_export(export_id).is_complete:
            pass
    return MaestroQAExportToS3Operator(
        task_id="land",
        export_id=export_id,
        s3_bucket="my-data-lake",
        s3_prefix="maestroqa/raw/run=1",
        count_rows=True,
        window={"start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z"},
    ).execute({})


def test_the_manifest_shown_has_the_form_of_a_real_one(landed, code_of, root, table):
    shown = json.loads(next(b.text for b in code_of(root / "docs" / "landing.md") if b.language == "json"))
    assert {name: type(value) for name, value in shown.items()} == {name: type(v) for name, v in landed.items()}
    real_file = next(file for file in landed["files"] if file["name"] == shown["files"][0]["name"])
    assert {k: type(v) for k, v in shown["files"][0].items()} == {k: type(v) for k, v in real_file.items()}
    for name in ("destination", "window", "has_data", "manifest"):
        assert shown[name] == landed[name]
    assert shown["files"][0]["uri"] == real_file["uri"]
    assert len(shown["files"][0]["crc32"]) == len(real_file["crc32"])
    assert len(shown["files"][0]["sha256"]) == len(real_file["sha256"])
    assert set(table("docs/landing.md", "Field")) == set(landed) | set(real_file)


def test_s3_takes_the_lifecycle_rule(s3, code_of, root):
    texts = [b.text for b in code_of(root / "docs" / "landing.md") if 'AbortIncompleteMultipartUpload"' in b.text]
    (rules,) = [json.loads(text) for text in texts if text.lstrip().startswith("{") and "Rules" in text]
    s3.put_bucket_lifecycle_configuration(Bucket="my-data-lake", LifecycleConfiguration=rules)
    kept = s3.get_bucket_lifecycle_configuration(Bucket="my-data-lake")["Rules"][0]
    assert kept["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 2}


def test_iam_takes_the_policy(s3_server, code_of, root):
    (policy,) = [b.text for b in code_of(root / "docs" / "landing.md") if '"Statement"' in b.text]
    iam = boto3.client("iam", endpoint_url=s3_server)
    made = iam.create_policy(PolicyName="landing", PolicyDocument=policy)
    iam.close()
    assert made["Policy"]["PolicyName"] == "landing"


def test_the_shown_extra_makes_boto_leave_checksums_out(code_of, root, s3_server, monkeypatch, s3):
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook

    (text,) = [b.text for b in code_of(root / "docs" / "landing.md") if "config_kwargs" in b.text]
    fields = {"conn_type": "aws", "extra": {**json.loads(text), "endpoint_url": s3_server}}
    monkeypatch.setenv("AIRFLOW_CONN_OTHER_STORE", json.dumps(fields))
    client = S3Hook(aws_conn_id="other_store").get_conn()
    assert client.meta.config.request_checksum_calculation == "when_required"
    client.close()


def test_a_fault_by_name_is_one_that_the_sandbox_knows(code_of, root):
    with Sandbox(limits={}, polls=0) as sandbox:
        names = re.findall(r'export_name="([^"]*fault:[^"]*)"', (root / "docs" / "sandbox.md").read_text())
        import requests

        for name in names:
            answer = requests.post(
                f"{sandbox.url}/api/v1/request-groups-export",
                json={"name": name},
                headers={"apitoken": sandbox.token},
                timeout=10,
            )
            assert answer.status_code == 200, answer.text
    assert names
