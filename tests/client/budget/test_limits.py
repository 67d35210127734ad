"""How windows are counted, what is no limit, and what a budget is called."""

from __future__ import annotations

import pytest

from airflow_provider_maestroqa.client.budget import DEFAULT_LIMITS, budget_key, open_budget
from airflow_provider_maestroqa.client.budget.limits import make_rules
from airflow_provider_maestroqa.client.errors import MaestroQAConfigError


@pytest.mark.parametrize(
    ("limits", "margins", "bucket", "windows"),
    [
        (DEFAULT_LIMITS, None, "normal", ((10, 1.25), (100, 60.5))),
        (DEFAULT_LIMITS, None, "hard", ((1, 1.25), (30, 60.5))),
        (DEFAULT_LIMITS, {1.0: 0.1, 60.0: 3.0}, "normal", ((10, 1.1), (100, 63.0))),
        ({"normal": [(10, 1)]}, None, "normal", ((10, 1.04),)),
    ],
)
def test_a_window_counts_as_longer_by_its_margin(limits, margins, bucket, windows):
    assert make_rules(limits, margins)[bucket].windows == windows


def test_the_window_that_binds_is_stretched_little_and_the_others_never_bind_instead():
    rules = make_rules({"normal": [(10, 1), (40, 5)]})["normal"]
    (_, second), (_, five) = rules.windows
    assert 5.04 <= five <= 5.05
    assert 1.2 < second <= 1.25
    assert 10 / second >= 40 / five


@pytest.mark.parametrize(
    "limits",
    [
        {}, None, [], {"normal": []}, {"normal": 5}, {"normal": [[10]]}, {"normal": [[0, 1]]}, {"normal": [[10, 0]]},
        {"normal": [[10, -1]]}, {"normal": [[2.5, 1]]}, {"normal": [["10", 1]]}, {"normal": [[True, 1]]},
        {"normal": [[10, float("nan")]]}, {"normal": [[10, float("inf")]]}, {"normal": [[10, "x"]]},
    ],
)  # fmt: skip
def test_what_is_no_limit_is_refused_with_an_example(limits):
    with pytest.raises(MaestroQAConfigError, match=r"\[\[10, 1\], \[100, 60\]\]"):
        make_rules(limits)


@pytest.mark.parametrize("margin", [-0.1, float("nan"), float("inf")])
def test_what_is_no_margin_is_refused(margin):
    with pytest.raises(MaestroQAConfigError, match="Margins"):
        make_rules(DEFAULT_LIMITS, {1.0: margin})


def test_the_key_depends_on_host_and_token_and_on_nothing_else():
    key = budget_key("https://app.maestroqa.com", "token")
    assert key == budget_key("https://APP.maestroqa.com:443/api/v1/", "token")
    assert key != budget_key("https://app.maestroqa.com", "other")
    assert key != budget_key("https://eu.maestroqa.com", "token")


def test_both_names_of_the_service_have_the_key_that_earlier_versions_gave_to_the_old_one():
    key = "9aaf5eb892bc59c2bb5db58f8e03ceb9"
    for host in ("https://app.maestroqa.com", "https://app.rippit.com", "https://App.Rippit.com.:443/api/v1"):
        assert budget_key(host, "token") == key
    for other in ("https://eu.rippit.com", "https://app.rippit.com:8443", "http://app.rippit.com"):
        assert budget_key(other, "token") != key


def test_the_key_does_not_hold_the_token():
    assert "s3cr3t" not in budget_key("https://app.maestroqa.com", "s3cr3t")


def test_a_bucket_without_windows_is_an_error_that_names_those_that_have_some():
    budget = open_budget(store="memory", base_url="https://x.com", token="t", limits={"normal": [[1, 1]]})
    with pytest.raises(MaestroQAConfigError, match="'hard', only for normal"):
        budget.acquire("hard")
    budget.close()


@pytest.mark.parametrize(
    "store",
    ["ftp://host", "relative/path.sqlite3", "", "/", "redis://", "redis://host:port", "redis://:pass/word@host:6379",
     "memory2", "sqlite://relative"],
)  # fmt: skip
def test_a_store_that_cannot_be_understood_is_refused_at_once_without_repeating_a_password(store):
    with pytest.raises(MaestroQAConfigError) as error:
        open_budget(store=store, base_url="https://x.com", token="t")
    assert "pass" not in str(error.value).replace("user and password", "").replace("user:password", "")


def test_the_store_is_called_by_its_address_alone(tmp_path):
    from airflow_provider_maestroqa.client.budget.stores.redis import store_name

    assert store_name("rediss://me:secret@cache:6380/2?ssl_cert_reqs=none&password=secret") == (
        "the Redis server at rediss://cache:6380/2"
    )
    assert store_name("redis://:secret@[::1]/0") == "the Redis server at redis://[::1]:6379/0"
    assert store_name("unix://:secret@/run/redis.sock?db=1") == "the Redis server at unix:///run/redis.sock"


def test_without_the_redis_package_the_error_names_the_extra(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MaestroQAConfigError, match=r"airflow-provider-maestroqa\[redis\]"):
        open_budget(store="redis://host", base_url="https://x.com", token="t")
