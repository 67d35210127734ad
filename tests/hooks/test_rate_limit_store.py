"""The budget's store in an Airflow connection of its own."""

from __future__ import annotations

import asyncio
import json
import traceback
from urllib.parse import urlsplit

import pytest

from airflow_provider_maestroqa._compat import Connection
from airflow_provider_maestroqa.client.budget import factory
from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook
from airflow_provider_maestroqa.hooks.rate_limit_store import store_url

SECRET = "p:a/s?s#w@r%d"
WRITTEN = "p%3Aa%2Fs%3Fs%23w%40r%25d"


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ({"conn_type": "redis", "host": "r.example"}, "redis://r.example:6379/0"),
        (
            {"conn_type": "redis", "host": "r.example", "port": 7000, "login": "ann", "password": SECRET,
             "extra": {"db": 3, "ssl": True, "ssl_ca_certs": "/ca.pem", "ssl_check_hostname": False}},
            f"rediss://ann:{WRITTEN}@r.example:7000/3?ssl_ca_certs=%2Fca.pem&ssl_check_hostname=false",
        ),
        ({"conn_type": "valkey", "host": "::1", "password": SECRET}, f"redis://:{WRITTEN}@[::1]:6379/0"),
        (
            {"conn_type": "postgres", "host": "p.example", "schema": "budgets", "login": "ann", "password": SECRET,
             "extra": {"sslmode": "require", "cursor": "dictcursor"}},
            f"postgresql://ann:{WRITTEN}@p.example:5432/budgets?sslmode=require",
        ),
    ],
)  # fmt: skip
def test_a_connection_is_read_as_the_url_of_a_store(fields, url):
    extra = json.dumps(fields.pop("extra", {}))
    assert store_url(Connection(conn_id="budget_store", extra=extra, **fields)) == url


@pytest.mark.parametrize(
    ("store", "connection", "message"),
    [
        ("airflow://", None, "names no connection. Write it like airflow://my_redis"),
        ("airflow://no_such", None, "'no_such', which cannot be read"),
        ("airflow://other", {"conn_type": "mysql", "host": "h"}, "of type 'mysql'. It must be of type redis, valkey"),
        ("airflow://other", {"conn_type": "redis"}, "has no host"),
        ("airflow://other", {"conn_type": "postgres", "host": "h", "extra": {"iam": "true"}}, "uses IAM tokens"),
        ("airflow://other", {"conn_type": "postgres", "host": "h", "password": SECRET}, "is not a PostgreSQL URL"),
    ],
)
@pytest.mark.parametrize("is_async", [False, True])
def test_a_connection_that_is_no_store_is_a_clear_error(connect, monkeypatch, store, connection, message, is_async):
    connect(host="http://127.0.0.1:1", rate_limit_store=store)
    if connection:
        monkeypatch.setenv("AIRFLOW_CONN_OTHER", json.dumps(connection))
    hook = MaestroQAHook()
    with pytest.raises(MaestroQAConfigError, match=message) as error:
        asyncio.run(hook.aclient()) if is_async else hook.client
    assert SECRET not in "".join(traceback.format_exception(error.value))


@pytest.mark.parametrize("is_async", [False, True])
def test_the_store_of_a_connection_is_used_in_tasks_and_triggers(connect, monkeypatch, sandbox, is_async):
    connect(host=sandbox.url, rate_limit_store="airflow://budget_store")
    fields = {"conn_type": "redis", "host": "r.example", "password": "s3cret-of-redis"}
    monkeypatch.setenv("AIRFLOW_CONN_BUDGET_STORE", json.dumps(fields))
    opened = []
    monkeypatch.setattr(factory, "RedisStoreFactory", lambda url, timeout: opened.append(url))
    with MaestroQAHook() as hook:
        asyncio.run(hook.aclient()) if is_async else hook.client
    assert [urlsplit(url).hostname for url in opened] == ["r.example"]
    assert "s3cret-of-redis" not in repr(hook.__dict__.get("settings"))
