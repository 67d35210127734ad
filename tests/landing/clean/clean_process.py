"""A process that lands a cleaned export and prints the peak of its memory over what its imports take, in kB.

python clean_process.py URL ROOT FILE_FORMAT
"""

import sys
from pathlib import Path

import fsspec
import requests

from airflow_provider_maestroqa.landing.clean import arrow_reader, encoders
from airflow_provider_maestroqa.landing.exports import LandingOptions, land_export
from airflow_provider_maestroqa.storage.compression import best_engine
from airflow_provider_maestroqa.storage.fsspec_store import FilesystemStore


def memory(field):
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1])
    raise LookupError(field)


def main(url, root, file_format):
    # The bound is a multiple of these; small, so that a small file shows it.
    encoders.ROW_GROUP_BYTES, arrow_reader.PIECE = 4 << 20, 1 << 17
    options = LandingOptions(file_format=file_format, clean=True)
    best_engine()
    store = FilesystemStore(fsspec.filesystem("file"), root, "file")
    Path("/proc/self/clear_refs").write_text("5")
    before = memory("VmRSS")
    with requests.Session() as session:
        land_export(
            export_id="e1", fresh_url=lambda: url, store=store, options=options, session=session, log=lambda _: None
        )
    sys.stdout.write(str(memory("VmHWM") - before))


if __name__ == "__main__":
    main(*sys.argv[1:])
