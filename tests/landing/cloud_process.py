"""A process that lands an export in an emulator's storage and prints by how many MB its memory has grown.

Then it lands the export once more, and kills itself before it has published all of it.

python cloud_process.py URL SCHEME SERVER FOLDER STEP
"""

import sys
from pathlib import Path

import requests
from cloud_servers import azure_filesystem, google_filesystem
from landing_process import Mortal

from airflow_provider_maestroqa.landing.exports import LandingOptions, land_export
from airflow_provider_maestroqa.storage.fsspec_store import FilesystemStore

BLOCK = 4 * 2**20


def megabytes(field):
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1000
    raise LookupError(field)


def main(url, scheme, server, folder, step):
    fs = google_filesystem(server) if scheme == "gs" else azure_filesystem(server, blocksize=BLOCK)

    def land(session, store):
        options = LandingOptions(file_format="csv")
        land_export(export_id="e1", fresh_url=lambda: url, store=store, options=options, session=session, log=str)

    FilesystemStore(fs, f"{folder}/first", scheme).put_bytes("x", b"1")
    with requests.Session() as session:
        before = megabytes("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")
        land(session, FilesystemStore(fs, f"{folder}/whole", scheme))
        sys.stdout.write(f"{megabytes('VmHWM') - before}\n")
        sys.stdout.flush()
        land(session, Mortal(FilesystemStore(fs, f"{folder}/killed", scheme), step))


if __name__ == "__main__":
    main(*sys.argv[1:])
