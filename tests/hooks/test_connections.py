"""However a connection is written, its settings are the same."""

import dataclasses
import importlib.util
import json
import sys
from urllib.parse import quote, urlencode

import pytest

from airflow_provider_maestroqa import _compat
from airflow_provider_maestroqa.client.connection_fields import EXTRA_FIELDS
from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.client.settings import read_settings
from airflow_provider_maestroqa.get_provider_info import get_provider_info
from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook
from airflow_provider_maestroqa.sandbox import Sandbox

AIRFLOW = _compat._airflow_version()
ON_2 = AIRFLOW < (3,)
# Everything that a URI, a shell or a template could trip over.
TOKEN = "a/b+c%41d@e:f=g&h?i#j~k'l\"m"
HOST = "https://eu.example.com:8443"
EXTRA = {
    "rate_limits": {"normal": [[5, 1], [50, 60]]},
    "rate_limit_store": "redis://:p%2Fss@redis.example.com:6379/0",
    "timeout": 120,
    "verify": False,
    "proxies": {"https": "http://user:p%40ss@proxy.example.com:3128"},
    "allow_http": False,
}
FIELDS = {"conn_type": "maestroqa", "host": HOST, "password": TOKEN}
WANTED = read_settings("wanted", host=HOST, password=TOKEN, extra=EXTRA)

#: As forms and URIs have them: each value is text.
TEXTS = {key: value if isinstance(value, str) else json.dumps(value) for key, value in EXTRA.items()}
#: As forms leave it: text, empty text, nulls, Python's way to write, and the names of old.
LEFTOVERS = {
    **TEXTS,
    "rate_limits": str(EXTRA["rate_limits"]),
    "verify": "False",
    "timeout": " 120 ",
    "allow_http": None,
    "extra__maestroqa__allow_http": "",
    "extra__maestroqa__timeout": 5,
}
OLD_NAMES = {f"extra__maestroqa__{key}": value for key, value in TEXTS.items()}

WITH_SCHEME = f"maestroqa://https://:{quote(TOKEN, safe='')}@eu.example.com:8443/?"
BARE_HOST = f"maestroqa://:{quote(TOKEN, safe='')}@eu.example.com:8443/https?"
#: The values of a variable, a secret or a file.
VALUES = {
    "JSON": json.dumps({**FIELDS, "extra": EXTRA}),
    "JSON with the extra as text": json.dumps({**FIELDS, "extra": json.dumps(EXTRA)}),
    "JSON with values as text": json.dumps({**FIELDS, "extra": TEXTS}),
    "JSON with what forms leave": json.dumps({**FIELDS, "login": "", "port": None, "schema": "", "extra": LEFTOVERS}),
    "JSON with the names of old": json.dumps({**FIELDS, "extra": OLD_NAMES}),
    "URI": WITH_SCHEME + urlencode(TEXTS),
    "URI with a bare host": BARE_HOST + urlencode(TEXTS),
    "URI with __extra__": WITH_SCHEME + urlencode({"__extra__": json.dumps(EXTRA)}),
}


def read(conn_id):
    with MaestroQAHook(conn_id) as hook:
        return hook.settings


@pytest.mark.parametrize("form", VALUES)
def test_an_environment_variable_gives_the_same_settings(monkeypatch, form):
    monkeypatch.setenv("AIRFLOW_CONN_WRITTEN", VALUES[form])
    assert read("written") == WANTED


@pytest.mark.parametrize("form", VALUES)
def test_what_airflow_writes_of_a_connection_gives_the_same_settings(monkeypatch, form):
    monkeypatch.setenv("AIRFLOW_CONN_WRITTEN", VALUES[form])
    connection = MaestroQAHook("written").get_connection("written")
    for again in (connection.get_uri(), connection.as_json()):
        monkeypatch.setenv("AIRFLOW_CONN_WRITTEN", again)
        assert read("written") == WANTED


@pytest.fixture
def use_backend(monkeypatch):
    """Name Airflow's secrets backend."""
    try:
        from airflow.sdk.configuration import clear_secrets_backends_cache as clear_cache
    except ImportError:  # an Airflow without a cache
        clear_cache = int

    def use(backend, **arguments):
        monkeypatch.setenv("AIRFLOW__SECRETS__BACKEND", backend)
        monkeypatch.setenv("AIRFLOW__SECRETS__BACKEND_KWARGS", json.dumps(arguments))
        clear_cache()

    yield use
    monkeypatch.undo()
    clear_cache()


def as_file(folder, kind, values):
    """A file of connections as Airflow's local backend and ``airflow connections import`` read it."""
    path = folder / f"connections.{kind}"
    if kind == "env":
        path.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    else:
        # YAML takes JSON as it is.
        path.write_text(json.dumps(values, indent=2))
    return path


@pytest.mark.parametrize("kind", ["json", "yaml", "env"])
def test_a_file_of_secrets_gives_the_same_settings(use_backend, tmp_path, kind):
    value = VALUES["URI"] if kind == "env" else {**FIELDS, "extra": EXTRA}
    path = as_file(tmp_path, kind, {"from_file": value})
    use_backend("airflow.secrets.local_filesystem.LocalFilesystemBackend", connections_file_path=str(path))
    assert read("from_file") == WANTED


BACKEND = """
import json
from airflow.secrets import BaseSecretsBackend

class Safe(BaseSecretsBackend):
    def __init__(self, path):
        super().__init__()
        self.path = path

    def get_conn_value(self, conn_id, team_name=None):
        with open(self.path) as file:
            return json.load(file).get(conn_id)
"""


@pytest.mark.parametrize("form", VALUES)
def test_a_secrets_backend_gives_the_same_settings(monkeypatch, use_backend, tmp_path, form):
    (tmp_path / "my_safe.py").write_text(BACKEND)
    (tmp_path / "safe.json").write_text(json.dumps({"from_safe": VALUES[form]}))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "my_safe", raising=False)
    use_backend("my_safe.Safe", path=str(tmp_path / "safe.json"))
    assert read("from_safe") == WANTED


STANDARD = ["--conn-host", HOST, "--conn-password", TOKEN]
COMMANDS = {
    "fields": [["add", "fields", "--conn-type", "maestroqa", *STANDARD, "--conn-extra", json.dumps(EXTRA)]],
    "conn_json": [["add", "conn_json", "--conn-json", VALUES["JSON"]]],
    "conn_uri": [["add", "conn_uri", "--conn-uri", VALUES["URI"]]],
    "nested_uri": [["add", "nested_uri", "--conn-uri", VALUES["URI with __extra__"]]],
    **{f"imported_{kind}": [["import", f"imported.{kind}"]] for kind in ("json", "yaml", "env")},
}
#: The defaults of this Airflow's connections, and connections that leave all to them, or a part.
CONFIGURED = {
    "rate_limits": {"normal": [[7, 1], [70, 60]]},
    "rate_limit_store": "redis://:c0nfig-pass@redis.example.com:6379/0",
    "timeout": 77,
    "verify": False,
    "proxies": {"no_proxy": "*"},
}
CONFIG = "[maestroqa]\nhost = eu.example.com\n" + "".join(
    f"{name} = {json.dumps(value)}\n" for name, value in CONFIGURED.items() if name != "rate_limit_store"
)
BARE = {"bare": {}, "own": {"host": "https://us.example.com", "extra": {"timeout": 5}}}
#: The form's fields, as the UI sends them.
FORM_3 = {**FIELDS, "login": "", "schema": "", "port": None, "description": ""}
#: What may be wrong with a connection, and the message of its test. The sandbox is at {url}.
TESTED = {
    "works": ({"host": "{url}", "password": "{token}"}, "success"),
    "wrong_token": ({"host": "{url}", "password": TOKEN}, "90 days"),
    "wrong_host": ({"host": "http://127.0.0.1:9", "password": TOKEN}, "could not be reached"),
    "no_token": ({"host": "{url}"}, "the password is empty"),
    "in_the_clear": ({"host": "http://maestroqa.example.com", "password": TOKEN}, "in the clear"),
    "bad_extra": ({"host": "{url}", "password": TOKEN, "extra": {"timeout": "soon"}}, "extra timeout"),
}


@pytest.fixture(scope="module")
def running():
    with Sandbox(limits={}, rows=2) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def tested(running):
    """The connections that are tested, by name."""
    connections = {}
    for name, (fields, _) in TESTED.items():
        filled = json.dumps(fields).replace("{url}", running.url).replace("{token}", running.token)
        extra = {"rate_limit_store": "memory", **fields.get("extra", {})}
        connections[name] = {"conn_type": "maestroqa", **json.loads(filled), "extra": extra}
    return connections


@pytest.fixture(scope="module")
def written(tmp_path_factory, airflow_process, tested):
    """What an Airflow of its own has made of all commands and forms."""
    folder = tmp_path_factory.mktemp("written")
    for kind in ("json", "yaml", "env"):
        value = VALUES["URI"] if kind == "env" else {**FIELDS, "extra": EXTRA}
        as_file(folder, kind, {f"imported_{kind}": value}).rename(folder / f"imported.{kind}")
    orders = {
        "standard": STANDARD,
        "commands": [["connections", *words] for group in COMMANDS.values() for words in group],
        "conn_ids": [*COMMANDS, "form", "edited", "bare", "own"],
    }
    orders["commands"] += [
        ["connections", "add", name, "--conn-json", json.dumps({"conn_type": "maestroqa", "password": TOKEN, **own})]
        for name, own in BARE.items()
    ]
    for name, fields in tested.items():
        orders["commands"].append(["connections", "add", name, "--conn-json", json.dumps(fields)])
    if ON_2:
        # Its form takes a box that is false for one that is empty; see the page.
        to_edit = json.dumps({**FIELDS, "extra": {**EXTRA, "verify": "false"}})
        orders["commands"].append(["connections", "add", "edited", "--conn-json", to_edit])
    orders["commands"] += [["connections", "test", name] for name in tested]
    if ON_2:
        orders |= {"forms": {"form": TEXTS}, "edits": ["edited"]}
    else:
        nulls = {"timeout": None, "verify": None, "proxies": None, "rate_limit_store": None, "allow_http": None}
        once = {**FORM_3, "connection_id": "form", "extra": json.dumps({**EXTRA, "verify": "false"})}
        twice = {**FORM_3, "connection_id": "edited", "extra": json.dumps(EXTRA)}
        orders["api"] = [
            ["POST", "/api/v2/connections", once],
            ["POST", "/api/v2/connections", twice],
            ["EDIT", "/api/v2/connections/edited", list(twice)],
            ["POST", "/api/v2/connections", {**once, "connection_id": "nulls", "extra": json.dumps(nulls)}],
        ]
        orders["conn_ids"].append("nulls")
        for fields in tested.values():
            body = {**FORM_3, "password": "", **fields, "extra": json.dumps(fields["extra"])}
            orders["api"].append(["POST", "/api/v2/connections/test", {**body, "connection_id": "never_stored"}])
        # The form shows a stored connection with masks; they stand for what is stored.
        masked = {**FORM_3, **tested["works"], "connection_id": "works", "password": "***"}
        masked["extra"] = json.dumps(masked["extra"])
        orders["api"].append(["POST", "/api/v2/connections/test", masked])
        if AIRFLOW >= (3, 3):
            orders["worker"] = {**tested["works"], "extra": json.dumps(tested["works"]["extra"])}
    # What tasks use first, and what they share, comes from the section of airflow.cfg; a secret, from a command.
    return airflow_process(
        orders,
        folder,
        config=CONFIG,
        AIRFLOW__MAESTROQA__RATE_LIMIT_STORE_CMD=f"echo {CONFIGURED['rate_limit_store']}",
    )


@pytest.mark.parametrize("reader", ["server", "task", "triggerer"])
@pytest.mark.parametrize("way", [*COMMANDS, "form", "edited"])
def test_commands_and_forms_give_the_same_settings(written, way, reader):
    assert written[reader][way] == json.loads(json.dumps(dataclasses.asdict(WANTED)))


@pytest.mark.parametrize("reader", ["server", "task", "triggerer"])
def test_what_a_connection_leaves_empty_comes_from_airflow_cfg(written, reader):
    wanted = read_settings("wanted", password=TOKEN, extra=CONFIGURED, host="https://eu.example.com")
    assert written[reader]["bare"] == json.loads(json.dumps(dataclasses.asdict(wanted)))


@pytest.mark.parametrize("reader", ["server", "task", "triggerer"])
def test_what_a_connection_says_itself_takes_precedence(written, reader):
    own = written[reader]["own"]
    assert (own["base_url"], own["timeout_s"]) == ("https://us.example.com", 5)
    assert own["rate_limit_store"] == CONFIGURED["rate_limit_store"]


@pytest.mark.skipif(ON_2, reason="Airflow 3's form leaves nulls")
def test_a_form_left_empty_means_the_defaults(written):
    plain = read_settings("wanted", host=HOST, password=TOKEN, extra=CONFIGURED)
    assert written["task"]["nulls"] == json.loads(json.dumps(dataclasses.asdict(plain)))


def test_an_error_in_airflow_cfg_names_the_option(monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_WRITTEN", json.dumps({"conn_type": "maestroqa", "password": TOKEN}))
    monkeypatch.setenv("AIRFLOW__MAESTROQA__TIMEOUT", "soon")
    with pytest.raises(MaestroQAConfigError, match=r"airflow\.cfg: \[maestroqa\] timeout"):
        read("written")
    monkeypatch.setenv("AIRFLOW__MAESTROQA__TIMEOUT", "")
    monkeypatch.setenv("AIRFLOW__MAESTROQA__HOST", "http://maestroqa.example.com")
    with pytest.raises(MaestroQAConfigError, match=r"airflow\.cfg: \[maestroqa\] host: http://"):
        read("written")


def test_a_password_in_airflow_cfg_is_masked_like_one_in_a_connection(monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_WRITTEN", json.dumps({"conn_type": "maestroqa", "password": TOKEN}))
    monkeypatch.setenv("AIRFLOW__MAESTROQA__PROXIES", "http://user:pr0xy-pass@proxy.example.com:3128")
    assert "pr0xy-pass" in read("written").secrets


def test_the_options_of_airflow_cfg_are_told_to_airflow_and_the_secret_ones_as_such():
    options = get_provider_info()["config"]["maestroqa"]["options"]
    assert list(options) == ["host", "rate_limits", "rate_limit_store", "timeout", "verify", "proxies"]
    assert {name for name, option in options.items() if option.get("sensitive")} == {"rate_limit_store", "proxies"}


def test_every_command_succeeds_and_does_not_show_the_token(written):
    assert {command["exit_code"] for command in written["commands"][: -len(TESTED)]} == {0}
    for command in written["commands"]:
        assert TOKEN not in command["output"]


@pytest.mark.parametrize("name", TESTED)
def test_the_command_that_tests_a_connection_explains_the_error(written, tested, name):
    command = written["commands"][-len(TESTED) :][list(TESTED).index(name)]
    output = " ".join(command["output"].split())
    # Only newer Airflows end with an error.
    assert command["exit_code"] in ((0,) if name == "works" else (1,) if AIRFLOW >= (3, 3) else (0, 1))
    assert ("Connection success!" in output) is (name == "works")
    assert TESTED[name][1] in output
    assert tested[name].get("password", TOKEN) not in output


@pytest.mark.skipif(ON_2, reason="Airflow 3's API")
@pytest.mark.parametrize("name", TESTED)
def test_the_button_of_airflow_3_explains_the_error(written, running, name):
    response = written["api"][4 + list(TESTED).index(name)]
    result = json.loads(response["text"])
    assert response["status"] == 200
    assert result["status"] is (name == "works")
    assert TESTED[name][1].replace("success", f"accepts the token at {running.url}") in result["message"]
    assert TOKEN not in result["message"]


@pytest.mark.skipif(AIRFLOW < (3, 3), reason="older Airflows test with the mask itself")
def test_the_button_of_airflow_3_tests_a_stored_connection_behind_its_mask(written):
    assert json.loads(written["api"][-1]["text"])["status"] is True


@pytest.mark.skipif(AIRFLOW < (3, 3), reason="Airflow 3.3 tests on workers")
def test_a_worker_tests_a_connection_that_is_stored_nowhere(written, running):
    assert written["worker"] == [True, f"MaestroQA accepts the token at {running.url}."]


class TestForm:
    """The form's fields as the UI gets them."""

    @pytest.fixture
    def extra(self, written):
        # Airflow 3.0 and 3.1 show the fields of no provider where Flask AppBuilder is not installed.
        if written["form"]["extra"] is None:
            assert (3,) <= AIRFLOW < (3, 2)
            assert importlib.util.find_spec("flask_appbuilder") is None
            pytest.skip("this Airflow shows no fields without Flask AppBuilder")
        return written["form"]["extra"]

    def test_each_key_of_the_extra_has_a_field_with_label_and_help(self, extra):
        shown = {
            name: (field["label"] if ON_2 else field["schema"]["title"], field["description"])
            for name, field in extra.items()
        }
        assert shown == {field.name: (field.label, field.form_help) for field in EXTRA_FIELDS}

    def test_fields_that_may_hold_a_password_are_hidden(self, extra):
        secret = {
            name for name, field in extra.items() if field.get("secret") or field.get("schema", {}).get("format")
        }
        assert (
            secret == {field.name for field in EXTRA_FIELDS if field.is_sensitive} == {"rate_limit_store", "proxies"}
        )

    def test_numbers_objects_and_flags_have_fields_of_their_kind(self, extra):
        if ON_2:
            kinds = {name: field["class"] for name, field in extra.items()}
            assert (kinds["timeout"], kinds["allow_http"]) == ("IntegerField", "BooleanField")
            return
        kinds = {name: field["schema"]["type"] for name, field in extra.items()}
        assert kinds["allow_http"] == ["boolean", "null"]
        assert kinds["timeout"] in (["number", "null"], ["integer", "null"])
        assert kinds["rate_limits"] == (["object", "null"] if AIRFLOW >= (3, 2) else ["string", "null"])

    def test_the_fields_of_every_connection_are_named_and_hidden(self, written, extra):
        shown = written["form"]["standard"]
        if ON_2:
            assert shown["relabeling"] == {"password": "API token", "host": "Base URL"}
            assert shown["hidden_fields"] == ["login", "schema"]
            assert set(shown["placeholders"]) == {"host", "password", "port"}
        else:
            assert {name for name, field in shown.items() if field and field["hidden"]} == {"login", "url_schema"}
            assert "443" in shown["port"]["placeholder"]
            assert shown["password"]["title"] == "API token"
            assert shown["host"]["placeholder"] == "Empty: https://app.maestroqa.com; or https://app.rippit.com"


def test_a_new_token_is_used_by_the_next_task(monkeypatch):
    for token in ("the-old-token", "the-new-token"):
        monkeypatch.setenv("AIRFLOW_CONN_WRITTEN", json.dumps({**FIELDS, "password": token}))
        assert read("written").token == token


def test_connections_stand_side_by_side(monkeypatch):
    for name in ("EU", "US"):
        fields = {**FIELDS, "host": f"https://{name.lower()}.example.com", "password": f"token-{name}"}
        monkeypatch.setenv(f"AIRFLOW_CONN_MAESTROQA_{name}", json.dumps(fields))
    found = {name: read(f"maestroqa_{name}") for name in ("eu", "us")}
    assert {name: (s.token, s.base_url) for name, s in found.items()} == {
        "eu": ("token-EU", "https://eu.example.com"),
        "us": ("token-US", "https://us.example.com"),
    }
