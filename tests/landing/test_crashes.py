"""A process that is killed, and a disk that is full."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_maestroqa.client.errors import MaestroQAError

ROOT = Path(__file__).resolve().parents[2]
DATA = b"h\n" + b"some text\n" * 50_000
STEPS = [
    "write a.csv",
    "sealed a.csv",
    "write x/b.csv",
    "sealed x/b.csv",
    "publish a.csv",
    "publish x/b.csv",
    "put _manifest.json",
]


@pytest.fixture
def process(origin, tmp_path, make_zip, part):
    """Land in another process, which dies at a step."""
    origin.body = make_zip(part(name=b"a.csv", data=DATA), part(name=b"x/b.csv"))
    (tmp_path / "tmp").mkdir()
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "TMPDIR": str(tmp_path / "tmp"),
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }

    def run(root, step="", *limit):
        command = [sys.executable, str(ROOT / "tests/landing/landing_process.py"), origin.link, root, step, *limit]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)

    return run


@pytest.mark.parametrize("step", STEPS)
def test_a_process_killed_while_publishing_shows_no_partial_file_and_can_be_run_again(
    process, land, local, tmp_path, step
):
    done = process(local.root, step)
    assert done.returncode == -signal.SIGKILL, done.stderr
    visible = {p: p.read_bytes() for p in Path(local.root).rglob("*") if p.is_file() and not p.name.startswith(".")}
    whole = {Path(local.root, "a.csv"): DATA, Path(local.root, "x/b.csv"): b"h\n1\n"}
    assert visible.items() <= whole.items()
    assert list((tmp_path / "tmp").iterdir()) == []

    manifest = land(local, file_format="csv")
    files = sorted(str(path.relative_to(local.root)) for path in Path(local.root).rglob("*") if path.is_file())
    assert files == ["_manifest.json", "a.csv", "x/b.csv"]
    assert [(file["name"], local.size(file["name"])) for file in manifest["files"]] == [
        ("a.csv", len(DATA)),
        ("x/b.csv", 4),
    ]


@pytest.mark.parametrize("step", ["sealed x/b.csv", "publish x/b.csv"])
def test_a_process_killed_while_publishing_to_s3_shows_no_partial_object(process, land, s3_store, step):
    endpoint = s3_store.client.meta.endpoint_url.removeprefix("http://")
    store = type(s3_store)(s3_store.client, s3_store.bucket, "day")
    done = process(f"s3://{endpoint}/{store.bucket}/day", step)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert store.get_bytes("a.csv") in (None, DATA)
    assert (store.get_bytes("x/b.csv"), store.get_bytes("_manifest.json")) == (None, None)

    assert [file["bytes"] for file in land(store, file_format="csv")["files"]] == [len(DATA), 4]
    found = s3_store.client.list_objects_v2(Bucket=store.bucket)["Contents"]
    assert sorted(item["Key"] for item in found) == ["day/_manifest.json", "day/a.csv", "day/x/b.csv"]


def test_a_full_temporary_disk_is_reported_with_the_folder_and_the_remedy(process, local, origin, tmp_path):
    origin.body = b"h\n" + b"x\n" * 200_000
    done = process(local.root, "", "100000")
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert f"The temporary folder {tmp_path / 'tmp'} is full" in last
    assert "TMPDIR" in last
    assert "5ec2e7" not in done.stderr + done.stdout
    assert not Path(local.root).exists()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_fills_up_in_the_middle_ends_the_download(land, memory, origin, monkeypatch, number):
    from airflow_provider_maestroqa.client import temp_file as temporary

    class Full:
        def __init__(self, file):
            self.file = file

        def __getattr__(self, name):
            return getattr(self.file, name)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

        def write(self, data):
            if self.file.tell() + len(data) > 1000:
                raise OSError(number, os.strerror(number))
            return self.file.write(data)

    real = temporary.tempfile.TemporaryFile
    monkeypatch.setattr(temporary.tempfile, "TemporaryFile", lambda **arguments: Full(real(**arguments)))
    origin.body = b"h\n" + b"x\n" * 5000
    with pytest.raises(MaestroQAError, match=r"is full .*TMPDIR") as caught:
        land(memory)
    assert caught.value.retryable
    assert caught.value.__context__ is None
    assert memory.fs.find(memory.root) == []


def test_a_full_disk_at_the_destination_leaves_nothing(process, local, origin, make_zip, part):
    origin.body = make_zip(part(name=b"a.csv", data=b"x" * 2_000_000))
    done = process(local.root, "", "1000000")
    assert done.returncode == 1
    assert "Cannot write" in done.stderr.splitlines()[-1]
    assert [path for path in Path(local.root).rglob("*") if path.is_file()] == []


def test_an_export_has_more_files_than_a_process_may_have_open(process, local, origin, make_zip, part):
    names = [f"{number % 3}/{number}.csv" for number in range(300)]
    origin.body = make_zip(*(part(name=name.encode()) for name in names))
    done = process(local.root, "", "", "64")
    assert done.returncode == 0, done.stderr
    files = {str(path.relative_to(local.root)) for path in Path(local.root).rglob("*") if path.is_file()}
    assert files == {*names, "_manifest.json"}


def test_an_interrupted_landing_leaves_nothing(land, local, origin, make_zip, part, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    origin.body = make_zip(part(data=DATA))
    monkeypatch.setattr("airflow_provider_maestroqa.storage.local_store.LocalUpload.seal", stop)
    with pytest.raises(KeyboardInterrupt):
        land(local, file_format="csv")
    assert [path for path in Path(local.root).rglob("*") if path.is_file()] == []
