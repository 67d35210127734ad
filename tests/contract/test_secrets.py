"""Nothing that holds a secret shows it: not as text, not as repr, not where Airflow keeps things."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import re
import traceback
from types import MappingProxyType

import pytest

from airflow_provider_maestroqa.client import errors
from airflow_provider_maestroqa.client.budget import open_budget
from airflow_provider_maestroqa.client.endpoints import build_request
from airflow_provider_maestroqa.client.resources.exports import Export
from airflow_provider_maestroqa.client.settings import read_settings
from airflow_provider_maestroqa.client.transport.sync_client import SyncClient
from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook

SECRET = "tok-5eCr3t-do-not-show"
SIGNED = f"https://bucket.s3.amazonaws.com/export.zip?X-Amz-Expires=600&X-Amz-Signature={SECRET}"
#: A field by such a name may hold a secret.
SUSPICIOUS = re.compile(
    r"token|secret|password|passwd|login|proxy|proxies|(^|_)url|urls|dsn|(^|_)store(_|$)|header|body|query|session|signature|"
    r"credential|extra|(^|_)raw|(^|_)key$|auth|connection|(^|_)hook$"
)
#: Fields by such a name that are shown, because they hold none.
HARMLESS = {
    "client.endpoints.Endpoint.auth": "how a token travels, not the token",
    "client.endpoints.HeaderAuth": "the same",
    "client.settings.Settings.base_url": "a base URL with user or password is refused",
    "runtime.partitions.Partition.key": "the name of a partition",
    "runtime.database.Database.hook": "a hook of Airflow's, which has no text of its own",
    "landing.archive.zip_directory": "the name of a file in an archive",
    "pushes.records.Record.body": "a record",
    "storage.open.StoredObject.store": "says its address, without credentials",
    "storage.urls.StorageUrl.key": "the key of an object in a bucket",
}


def dataclasses_of(package):
    """Every dataclass but those of the sandbox, whose token is no secret, and Airflow's own."""
    return [
        (f"{name.removeprefix(package.name)[1:]}.{value.__qualname__}", value)
        for name, value in package.everything()
        if inspect.isclass(value) and "__dataclass_fields__" in vars(value) and ".sandbox." not in f"{name}."
    ]


def test_no_dataclass_shows_what_may_be_a_secret(package):
    found = dataclasses_of(package)
    assert len(found) > 40
    shown = []
    for name, cls in found:
        # Made without its constructor, so that each field can hold the mark, whatever its type.
        made = object.__new__(cls)
        for field in dataclasses.fields(cls):
            object.__setattr__(made, field.name, f"{SECRET}-{field.name}-end")
        said = ""
        for say in (repr, str):
            try:
                said += say(made)
            except (TypeError, AttributeError, ValueError):
                # A text of its own that counts or formats: its fields are looked at by their repr.
                continue
        for field in dataclasses.fields(cls):
            full = f"{name}.{field.name}"
            is_known = any(full == one or full.startswith(f"{one}.") for one in HARMLESS)
            if f"{SECRET}-{field.name}-end" in said and SUSPICIOUS.search(field.name) and not is_known:
                shown.append(full)
    assert shown == []


def test_each_class_that_speaks_for_itself_is_known(package):
    """A text written by hand may show what the walk above does not see, so each is looked at below."""
    by_hand = {
        value.__name__
        for name, value in package.everything()
        if inspect.isclass(value) and not issubclass(value, tuple) and ".sandbox." not in f"{name}."
        for say in ("__repr__", "__str__", "__format__")
        # What a dataclass or an enum says was not written in this package.
        if getattr(getattr(vars(value).get(say), "__code__", None), "co_filename", "") == inspect.getfile(value)
    }
    # A retry policy is not there before Airflow 3.3, and holds nothing.
    assert by_hand - {"MaestroQARetryPolicy"} == {"Request", "MaestroQAAPIError", "Report", "Wait", "Concealed"}


@pytest.fixture
def settings():
    return read_settings(
        "maestroqa_default",
        host="https://app.maestroqa.com",
        password=SECRET,
        extra={
            "proxies": f"http://user:{SECRET}@proxy:3128",
            "rate_limit_store": f"rediss://:{SECRET}@cache:6379/0",
        },
    )


def test_settings_hide_token_proxy_and_store(settings):
    assert settings.token == SECRET
    assert SECRET in settings.proxies["https"]
    assert SECRET not in f"{settings} {settings!r}"


def test_a_client_and_its_budget_hide_token_and_passwords(settings):
    budget = open_budget(
        store=f"rediss://:{SECRET}@cache:6379/0",
        base_url=settings.base_url,
        token=SECRET,
        limits=settings.limits,
        home=None,
    )
    client = SyncClient(settings, budget)
    for one in (client, budget, *vars(budget).values(), *parts(budget)):
        assert SECRET not in f"{one} {one!r}"
    client.close()


def parts(thing, depth=3):
    """What hangs on an object, some steps down."""
    found = []
    for value in vars(thing).values() if hasattr(thing, "__dict__") else ():
        if type(value).__module__.startswith("airflow_provider_maestroqa"):
            found.append(value)
            found += parts(value, depth - 1) if depth else []
    return found


def test_a_lost_budget_store_is_named_without_its_password():
    pytest.importorskip("redis")
    from airflow_provider_maestroqa.client.budget.stores.redis import RedisStore, store_name

    url = f"redis://ann:{SECRET}@127.0.0.1:1/0?password={SECRET}"
    assert SECRET not in store_name(url)
    store = RedisStore(f"redis://:{SECRET}@127.0.0.1:1/0", timeout=0.2)
    with pytest.raises(errors.MaestroQAError) as raised:
        store.remaining("budget", ("0", 0.0))
    store.close()
    assert SECRET not in "".join(traceback.format_exception(raised.value))


def test_the_hook_hides_its_connection(connect):
    connect(host="https://app.maestroqa.com", password=SECRET, proxies=f"http://user:{SECRET}@proxy:3128")
    with MaestroQAHook() as hook:
        assert hook.settings.token == SECRET
        assert hook.client is not None
        assert SECRET not in f"{hook} {hook!r} {hook.settings} {hook.client!r} {hook.request_stats!r}"


def test_an_export_hides_its_url():
    export = Export.from_response("e1", {"status": "complete", "dataUrl": SIGNED})
    assert export.data_url == SIGNED
    assert SECRET not in f"{export} {export!r}"


def test_a_call_hides_what_it_sends():
    call = build_request("create_attachment", {"id": "a", "ticket_id": "T-1", "url": SIGNED})
    assert call.body["url"] == SIGNED
    assert SECRET not in f"{call} {call!r}"
    assert str(call) in repr(call) or call.path in repr(call)


@pytest.mark.parametrize(
    "error",
    [one for one in vars(errors).values() if inspect.isclass(one) and issubclass(one, errors.MaestroQAError)],
    ids=lambda one: one.__name__,
)
def test_an_error_has_no_more_text_than_its_message(error):
    """What an error carries beside its message must not be in what Airflow logs and keeps of it."""
    if issubclass(error, errors.MaestroQAAPIError):
        made = error(500, "GET", "/api/v1/todos", "MaestroQA said no.")
    else:
        made = error("MaestroQA said no.")
    assert "MaestroQA said no." in str(made)
    assert vars(made).keys() & {"request", "response", "session", "headers", "token", "url"} == set()
    for again in (pickle.loads(pickle.dumps(made)), copy.copy(made)):
        assert (type(again), str(again)) == (error, str(made))


def test_an_operator_has_no_argument_for_a_secret(operator, package):
    """Arguments are kept in Airflow's database and shown in its UI, so secrets belong into connections."""
    assert not [name for name in package.own_arguments(operator) if re.search("token|password|secret|login", name)]


def test_a_trigger_has_no_argument_for_a_secret(trigger, package):
    assert not [name for name in package.own_arguments(trigger) if re.search("token|password|secret|login|url", name)]


def test_no_default_is_shared_and_can_be_changed(block, package):
    for name, one in package.own_arguments(block).items():
        assert not isinstance(one.default, (list, dict, set, bytearray, MappingProxyType)), name
