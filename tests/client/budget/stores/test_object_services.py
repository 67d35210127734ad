"""A log in the real APIs of object storages: conditions, missing buckets, services out of reach."""

from __future__ import annotations

import time
from functools import partial

import pytest
from cloud_servers import open_objects

from airflow_provider_maestroqa.client.budget import Clock
from airflow_provider_maestroqa.client.budget.limits import make_rules
from airflow_provider_maestroqa.client.budget.slot_log import SlotRequest
from airflow_provider_maestroqa.client.budget.stores.object_store import ObjectStore
from airflow_provider_maestroqa.client.budget.stores.swapping import SwapLostError
from airflow_provider_maestroqa.client.errors import MaestroQAConfigError, MaestroQAConnectionError

RULES = make_rules({"normal": [(2, 10.0)]}, {10.0: 0.0})["normal"]


def test_a_real_s3_api_that_never_sees_the_conditions_is_refused(object_url, fake_time):
    url = object_url("s3")
    objects = open_objects(url)

    def strip(request, **_):
        for name in ("If-Match", "If-None-Match"):
            request.headers.pop(name, None)

    objects._objects.client.meta.events.register("before-send.s3.PutObject", strip)
    store = ObjectStore(url, lambda: objects, Clock(), timeout=5)
    with pytest.raises(MaestroQAConfigError, match="does not compare versions"):
        store.book("log", RULES, SlotRequest())


@pytest.mark.parametrize("scheme", ["s3", "gs", "abfs"])
def test_each_storage_refuses_what_is_out_of_date_and_what_exists(object_url, scheme):
    objects = open_objects(object_url(scheme))
    nothing = objects.read("x")
    assert (nothing.content, nothing.version) == (None, "")
    assert abs(nothing.date - time.time()) < 5
    first = objects.swap("x", b"1", nothing.version)
    second = objects.swap("x", b"1", first.version)
    for version in (nothing.version, first.version):
        if version != second.version:  # S3's version is the content's hash: hence the nonce in a log
            with pytest.raises(SwapLostError):
                objects.swap("x", b"2", version)
    assert objects.read("x").version == second.version
    objects.delete("x")
    objects.delete("x")
    with pytest.raises(SwapLostError):
        objects.swap("x", b"3", second.version)


@pytest.mark.parametrize("scheme", ["s3", "gs", "abfs"])
def test_a_bucket_that_is_not_there_is_a_clear_error_at_once(object_url, scheme):
    url = object_url(scheme).replace("@lake/", "@no-such-lake/")
    store = ObjectStore(url, partial(open_objects, url), Clock(), timeout=5)
    began = time.monotonic()
    with pytest.raises(MaestroQAConfigError, match=r"Check the bucket|Check that the bucket"):
        store.book("log", RULES, SlotRequest())
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("scheme", ["s3", "gs", "abfs"])
def test_a_service_out_of_reach_is_a_clear_error_within_the_time(scheme):
    url = f"{scheme}://1@lake/budget"  # nothing listens on that port
    store = ObjectStore(url, partial(open_objects, url), Clock(), timeout=1)
    began = time.monotonic()
    with pytest.raises(MaestroQAConnectionError, match="cannot be used") as error:
        store.book("log", RULES, SlotRequest())
    assert time.monotonic() - began < 6
    assert not error.value.sent
