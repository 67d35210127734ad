"""The command ``python -m airflow_provider_maestroqa storage``: does a storage do what this package needs of it?"""

from __future__ import annotations

import argparse
import logging
import os
import secrets
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout, suppress
from typing import TYPE_CHECKING

from airflow_provider_maestroqa.client.errors import MaestroQADataError, MaestroQAError

if TYPE_CHECKING:
    from airflow_provider_maestroqa.storage.base import Store, Upload

#: How the process ends.
EXIT_DONE, EXIT_FAILED = 0, 1
_CHUNK = 1 << 20
_CHUNKS = 9


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "url",
        help="a folder there, such as gs://my_google_conn@my-data-lake/maestroqa/check; it may name the connection",
    )


def run(arguments: argparse.Namespace) -> int:
    """Do in a folder what tasks do, delete all of it again, and print what held.

    :return: 0 when all of it did, 1 when something did not.
    """
    from airflow_provider_maestroqa.storage.base import describe_error
    from airflow_provider_maestroqa.storage.open import open_store

    before = logging.root.manager.disable
    try:
        logging.disable(logging.WARNING)
        with redirect_stdout(sys.stderr):
            store = open_store(arguments.url)
        for name, check in _checks(store, arguments.url, f"check-{secrets.token_hex(6)}"):
            check()
            sys.stdout.write(f"ok  {name}\n")
    except MaestroQAError as error:
        sys.stderr.write(f"failed: {error}\n")
        return EXIT_FAILED
    except Exception as error:  # noqa: BLE001 - each secrets backend and each provider has its own
        sys.stderr.write(f"failed: {describe_error(error)}\n")
        return EXIT_FAILED
    finally:
        logging.disable(before)
    return EXIT_DONE


def _checks(store: Store, url: str, prefix: str) -> Iterator[tuple[str, Callable[[], None]]]:
    small, large = f"{prefix}.json", f"{prefix}.bin"

    def write() -> None:
        store.put_bytes(small, b"1")
        _require(store.get_bytes(small) == b"1", "What was written is not what is read")

    def replace() -> None:
        from airflow_provider_maestroqa.storage.base import StorageConflictError

        version = store.version(small)
        changed = store.put_bytes(small, b"22", expected=version)
        _require(changed != version, "An object that was replaced has the version that it had before")
        with suppress(StorageConflictError):
            store.put_bytes(small, b"333", expected=version)
            raise MaestroQADataError("An object was replaced that somebody else had changed.")

    def publish() -> None:
        content = [os.urandom(_CHUNK) for _ in range(_CHUNKS)]
        upload = _upload(store, large, content)
        _require(not store.exists(large), "A file was visible before it was published")
        upload.publish()
        with store.open(large) as file:
            read = 0
            for _ in content:
                read = zlib.crc32(file.read(_CHUNK), read)
        _require(read == zlib.crc32(b"".join(content)), "What was published is not what is read")

    def discard() -> None:
        store.delete(large)
        _upload(store, large, [bytes(_CHUNK)] * _CHUNKS).discard()
        _require(not store.exists(large), "A file that was discarded is visible")

    def state() -> None:
        from airflow_provider_maestroqa.runtime.retry_state import RetryState

        path = f"{url.rstrip('/')}/{prefix}.state.json"
        first, second = (RetryState({}, key="check", arguments={}, state_path=path, exclusive=True) for _ in "12")
        for number in range(4):
            first.save(number)
        _require(second.load() == 3, "The state that was saved last is not what is read")
        first.close()
        second.load()
        second.clear()
        _require(second.load() is None, "A state that was deleted is still there")

    def delete() -> None:
        store.delete(small)
        _require(not store.exists(small), "An object that was deleted is still there")

    yield f"an object is written and read: {store.uri(small)}", write
    yield "an object that somebody else has changed is not replaced", replace
    yield f"a file of {_CHUNKS} MiB becomes visible at once, with the bytes that were sent", publish
    yield "a file that is discarded never becomes visible", discard
    yield "the state of a push is saved, read by the next try, and deleted", state
    yield "an object is deleted", delete


def _upload(store: Store, name: str, content: list[bytes]) -> Upload:
    upload, crc32 = store.begin(name, size=sum(map(len, content))), 0
    for chunk in content:
        upload.write(chunk)
        crc32 = zlib.crc32(chunk, crc32)
    upload.seal(crc32)
    return upload


def _require(holds: bool, problem: str) -> None:
    if not holds:
        raise MaestroQADataError(f"{problem}.")
