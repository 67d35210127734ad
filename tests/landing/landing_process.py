"""A process that lands an export and kills itself at a given step, or runs with a small disk.

python landing_process.py URL ROOT STEP [FILE_SIZE_LIMIT [OPEN_FILES_LIMIT]]
"""

import os
import resource
import signal
import sys

import fsspec
import requests

from airflow_provider_maestroqa.landing.exports import LandingOptions, land_export
from airflow_provider_maestroqa.storage.fsspec_store import FilesystemStore
from airflow_provider_maestroqa.storage.s3_store import S3Store


class Mortal:
    """A store whose process dies right before or in the middle of a step."""

    def __init__(self, store, step):
        self.store = store
        self.step = step

    def __getattr__(self, name):
        return getattr(self.store, name)

    def die_at(self, step):
        if step == self.step:
            os.kill(os.getpid(), signal.SIGKILL)

    def begin(self, name, **arguments):
        upload, mortal = self.store.begin(name, **arguments), self
        write, seal, publish = upload.write, upload.seal, upload.publish

        class Upload:
            discard = upload.discard

            def write(self, data):
                write(data[: len(data) // 2])
                mortal.die_at(f"write {name}")
                write(data[len(data) // 2 :])

            def seal(self, crc32):
                seal(crc32)
                mortal.die_at(f"sealed {name}")

            def publish(self, **condition):
                mortal.die_at(f"publish {name}")
                return publish(**condition)

        return Upload()

    def put_bytes(self, name, data, **condition):
        self.die_at(f"put {name}")
        return self.store.put_bytes(name, data, **condition)


def store_at(root):
    if root.startswith("s3://"):
        import boto3

        endpoint, bucket, prefix = root.removeprefix("s3://").rsplit("/", 2)
        return S3Store(boto3.client("s3", endpoint_url=f"http://{endpoint}"), bucket, prefix)
    return FilesystemStore(fsspec.filesystem("file"), root, "file")


def main(url, root, step, limit=None, open_files=None):
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
    if open_files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (int(open_files), int(open_files)))
    with requests.Session() as session:
        land_export(
            export_id="e1",
            fresh_url=lambda: url,
            store=Mortal(store_at(root), step),
            options=LandingOptions(file_format="csv"),
            session=session,
            log=lambda line: sys.stdout.write(line),
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
