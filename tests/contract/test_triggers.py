"""What must hold for every trigger and every hook."""

from __future__ import annotations

import inspect
import json

from airflow_provider_maestroqa._compat import BaseHook

SECRET = "tok-5eCr3t-do-not-show"
#: Arguments of a hook's methods without which the call would not read; all others are options.
SUBJECTS = {
    "name",
    "deletion_id",
    "deletion_ids",
    "emails",
    "scores",
    "agent", "agent_id", "agents", "available", "changes", "coaching_point_id", "coaching_session_id", "comment",
    "comments", "content_type", "email", "end", "export_id", "export_type", "file", "metrics", "records", "resource",
    "start", "ticket", "ticket_id", "ticket_ids", "todo_id", "request", "group", "user_group_id", "user_id",
}  # fmt: skip


def test_a_trigger_serializes_to_its_own_arguments(package, trigger):
    made = trigger(**package.required(trigger))
    path, arguments = made.serialize()
    module, _, name = path.rpartition(".")
    assert getattr(__import__(module, fromlist=[name]), name) is trigger
    assert set(arguments) == set(package.own_arguments(trigger))
    assert arguments["maestroqa_conn_id"] == "maestroqa_default"


def test_a_trigger_comes_back_from_airflows_database_the_same(package, trigger):
    path, arguments = trigger(**package.required(trigger)).serialize()
    assert trigger(**json.loads(json.dumps(arguments))).serialize() == (path, arguments)
    assert trigger(**through_airflow(arguments)).serialize() == (path, arguments)


def through_airflow(arguments):
    """What Airflow's own way into the database and back makes of a trigger's arguments."""
    from airflow.models.trigger import Trigger

    encrypt = getattr(Trigger, "encrypt_kwargs", None) or Trigger._encrypt_kwargs
    decrypt = getattr(Trigger, "_decrypt_kwargs", None) or Trigger.decrypt_kwargs
    return decrypt(encrypt(arguments))


def test_a_trigger_of_every_value_comes_back_the_same(package, trigger):
    given = {
        name: package.required(trigger).get(name, one.default if isinstance(one.default, float) else f"a-{name}")
        for name, one in package.own_arguments(trigger).items()
    }
    _, arguments = trigger(**given).serialize()
    assert arguments == given


def test_making_a_trigger_reads_no_connection(package, trigger, monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("a trigger must not look up a connection before it runs")

    monkeypatch.setattr(BaseHook, "get_connection", refuse)
    made = trigger(**package.required(trigger))
    assert made.serialize()


def test_a_trigger_shows_no_secret(package, trigger, connect):
    connect(host="https://app.maestroqa.com", password=SECRET)
    made = trigger(**package.required(trigger))
    assert SECRET not in f"{made!r} {made} {made.serialize()} {vars(made)}"


def test_running_a_trigger_is_asynchronous(trigger):
    assert inspect.isasyncgenfunction(trigger.run)
    assert not hasattr(trigger, "on_kill") or inspect.iscoroutinefunction(trigger.on_kill)


def test_options_of_a_hooks_methods_are_keyword_only(package, hook):
    for name, method in inspect.getmembers(hook, inspect.isfunction):
        if name.startswith("_") or not method.__module__.startswith(package.name):
            continue
        positional = {
            one.name
            for one in inspect.signature(method).parameters.values()
            if one.kind is one.POSITIONAL_OR_KEYWORD and one.name != "self"
        }
        assert positional <= SUBJECTS, name
        options = [
            one for one in inspect.signature(method).parameters.values() if one.kind is one.POSITIONAL_OR_KEYWORD
        ]
        # What may be left out is an option.
        assert all(one.default is one.empty for one in options), name


def test_a_hook_is_made_of_its_connections_id_alone(package, hook):
    assert list(package.own_arguments(hook)) == ["maestroqa_conn_id"]
    assert package.own_arguments(hook)["maestroqa_conn_id"].default == hook.default_conn_name == "maestroqa_default"
