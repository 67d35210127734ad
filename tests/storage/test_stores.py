"""What all stores have in common."""

import zlib

import pytest
from landing_fixtures import listing

from airflow_provider_maestroqa.storage.base import ABSENT, StorageConflictError
from airflow_provider_maestroqa.storage.s3_store import PART_SIZE


def test_small_objects_are_stored_replaced_read_and_deleted(store):
    assert (store.get_bytes("state/one"), store.size("state/one"), store.exists("state/one")) == (None, None, False)
    for data in (b"first", b"", b"third"):
        store.put_bytes("state/one", data)
        assert (store.get_bytes("state/one"), store.size("state/one")) == (data, len(data))
        assert store.exists("state/one")
    store.delete("state/one")
    store.delete("state/one")
    assert store.get_bytes("state/one") is None
    assert listing(store) == []


def test_a_file_is_replaced_and_deleted_only_where_the_expected_one_is(store):
    assert store.get_versioned("one") == (None, ABSENT)
    first = store.put_bytes("one", b"first", expected=ABSENT)
    assert store.get_versioned("one") == (b"first", first)
    with pytest.raises(StorageConflictError):
        store.put_bytes("one", b"other", expected=ABSENT)
    second = store.put_bytes("one", b"second", expected=first)
    assert second != first
    for change in (
        lambda: store.put_bytes("one", b"third", expected=first),
        lambda: store.delete("one", expected=first),
    ):
        with pytest.raises(StorageConflictError):
            change()
    assert store.get_versioned("one") == (b"second", second)
    store.delete("one", expected=second)
    assert listing(store) == []


def test_a_file_of_many_parts_arrives_whole(store):
    data = bytes(range(256)) * (PART_SIZE * 2 // 256) + b"end"
    upload = store.begin("big", size=len(data))
    for start in range(0, len(data), 1_000_003):
        upload.write(data[start : start + 1_000_003])
    upload.seal(zlib.crc32(data))
    assert store.get_bytes("big") is None
    upload.publish()
    upload.discard()
    assert store.get_bytes("big") == data


def test_a_file_that_is_discarded_after_many_bytes_leaves_nothing(store):
    store.put_bytes("big", b"what was there")
    upload = store.begin("big", size=PART_SIZE * 3)
    upload.write(bytes(PART_SIZE * 2 + 1))
    upload.discard()
    upload.discard()
    assert listing(store) == ["big"]
    assert store.get_bytes("big") == b"what was there"
