import inspect

import pytest

import airflow_provider_maestroqa.sandbox as package
from airflow_provider_maestroqa.sandbox import REAL_LIMITS, LoggedRequest, Sandbox
from airflow_provider_maestroqa.sandbox.__main__ import _parser
from airflow_provider_maestroqa.sandbox.options import (
    OPTIONS,
    SandboxOptions,
    command_line_options,
    from_command_line,
)


def test_each_option_is_an_argument_of_the_constructor_with_its_default_and_its_text():
    signature = inspect.signature(Sandbox)
    assert {one.name: one.default for one in signature.parameters.values()} == {
        name: option.default for name, option in OPTIONS.items()
    }
    assert {one.kind for one in signature.parameters.values()} == {inspect.Parameter.KEYWORD_ONLY}
    for name, option in OPTIONS.items():
        assert f":param {name}: {option.about}." in inspect.getdoc(Sandbox)


def test_an_unknown_option_is_a_type_error():
    with pytest.raises(TypeError, match="'colour'"):
        Sandbox(colour="red")


def test_the_command_line_has_the_constructors_defaults_but_for_its_ports():
    options = from_command_line(_parser().parse_args([]))
    assert options == {name: OPTIONS[name].default for name in OPTIONS if name != "clock"} | {
        "port": 8765,
        "storage_port": 8766,
    }
    assert SandboxOptions(**options).limits is REAL_LIMITS


@pytest.mark.parametrize("name", command_line_options())
def test_each_option_can_be_set_on_the_command_line(name):
    option = OPTIONS[name]
    flag = option.written_flag(name)
    if isinstance(option.default, bool):
        words, expected = [flag], True
    elif option.choices:
        words, expected = [flag, option.choices[-1]], option.choices[-1]
    else:
        text, expected = {
            "token": ("t", "t"),
            "bind": ("127.0.0.2", "127.0.0.2"),
            "hosts": ("a,b", ("a", "b")),
            "more_columns": ("csat.a,csat.b", ("csat.a", "csat.b")),
            "missing_columns": ("csat.source", ("csat.source",)),
            "limits": ("none", {}),
            "custom_attributes": ("vip=boolean", {"vip": "boolean"}),
        }.get(name, ("7", 7))
        words = [flag, text]
    assert from_command_line(_parser().parse_args(words))[name] == expected


@pytest.mark.parametrize("name", [name for name, option in OPTIONS.items() if option.minimum is not None])
def test_an_option_below_its_minimum_is_refused(name):
    with pytest.raises(ValueError, match=f"{name} must be {OPTIONS[name].minimum} or more, not -1"):
        Sandbox(**{name: -1})


def test_what_is_shown_over_http_holds_no_secret():
    assert "token" not in SandboxOptions().as_json()


def test_the_former_name_of_a_logged_request_works_with_a_warning():
    with pytest.warns(DeprecationWarning, match="LoggedRequest"):
        assert package.Seen is LoggedRequest
    with pytest.raises(AttributeError):
        _ = package.Sean


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"batch_mode": "some"}, "batch_mode is one of atomic, partial, not 'some'"),
        ({"unknown_tickets": "x"}, "unknown_tickets is one of refuse, accept"),
        ({"attachment_id_reuse": "x"}, "attachment_id_reuse is one of again, conflict"),
        ({"bind": "0.0.0.0"}, "name in hosts how others reach the sandbox"),
        ({"hosts": "sandbox"}, r"such as \['sandbox'\]"),
        ({"window_kind": "leaky"}, "window_kind is one of sliding, fixed"),
        ({"custom_attributes": {"a": "text"}}, "custom_attributes.'a'. is one of string, number, boolean"),
    ],
)
def test_an_option_that_there_is_not_is_refused(options, complaint):
    with pytest.raises(ValueError, match=complaint):
        Sandbox(**options)
