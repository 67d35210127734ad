"""The page on the connection: its ways, its backends and its errors, as they are."""

import configparser
import datetime
import importlib
import inspect
import json
import os
import ssl
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace

import pytest

from airflow_provider_maestroqa.client.connection_fields import CONFIG_OPTIONS
from airflow_provider_maestroqa.client.settings import read_settings
from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook
from airflow_provider_maestroqa.operators.tickets import MaestroQAGetTicketsOperator

PAGE = "docs/connection.md"
FIELDS = ("host", "schema", "port", "login", "password", "extra")


def settings_of(connection):
    return read_settings(connection.conn_id, **{name: getattr(connection, name) for name in FIELDS})


@pytest.fixture
def blocks_of(code_of, root):
    return lambda language: [block.text for block in code_of(root / PAGE) if block.language == language]


@pytest.fixture
def backends(blocks_of):
    """The lines for each secrets backend, by the name of its class."""
    found = {}
    for text in blocks_of("ini"):
        parser = configparser.ConfigParser(interpolation=None)
        parser.read_string(text)
        if parser.sections() == ["maestroqa"]:
            continue
        assert parser.sections() == ["secrets"]
        module, _, name = parser["secrets"]["backend"].rpartition(".")
        found[name] = (module, json.loads(parser["secrets"]["backend_kwargs"]))
    return found


def test_the_file_that_is_imported_gives_the_connection(blocks_of, tmp_path):
    from airflow.secrets.local_filesystem import load_connections_dict

    (text,) = blocks_of("yaml")
    path = tmp_path / "connections.yaml"
    path.write_text(text)
    settings = settings_of(load_connections_dict(str(path))["maestroqa_default"])
    assert (settings.token, settings.timeout_s, settings.unknown_keys) == ("my-token", 120.0, ())
    assert settings.limits["normal"] == ((10, 1.0), (100, 60.0))


def test_the_defaults_of_airflow_cfg_are_options_that_are_read(blocks_of):
    (text,) = [text for text in blocks_of("ini") if text.startswith("[maestroqa]")]
    parser = configparser.ConfigParser()
    parser.read_string(text)
    defaults = dict(parser["maestroqa"])
    assert set(defaults) <= {option.name for option in CONFIG_OPTIONS}
    settings = read_settings("bare", password="my-token", defaults=defaults)
    assert (settings.rate_limit_store, settings.timeout_s) == ("rediss://redis.example.com:6379/0", 120.0)
    assert settings.proxies == {"https": "http://proxy.example.com:3128"}


def test_the_uri_that_airflow_writes_is_read_again(blocks_of, capsys, monkeypatch):
    (text,) = [block for block in blocks_of("python") if "get_uri" in block]
    exec(text, {})
    monkeypatch.setenv("AIRFLOW_CONN_WRITTEN", capsys.readouterr().out.strip().splitlines()[-1])
    settings = MaestroQAHook("written").settings
    assert (settings.token, settings.timeout_s) == ("my/token+is@odd", 120.0)


def test_each_backend_takes_the_arguments_that_are_shown(backends):
    assert len(backends) == 4
    for name, (module, arguments) in backends.items():
        try:
            cls = getattr(importlib.import_module(module), name)
        except ModuleNotFoundError:
            assert name in ("CloudSecretManagerBackend", "VaultBackend"), "only their providers are not for the tests"
            continue
        known = {one for base in cls.__mro__ for one in inspect.signature(base.__init__).parameters}
        assert set(arguments) <= known, name


def test_the_file_on_the_local_disk_is_read(backends, blocks_of, tmp_path):
    from airflow.secrets.local_filesystem import LocalFilesystemBackend

    (tmp_path / "connections.yaml").write_text(blocks_of("yaml")[0])
    (name,) = backends["LocalFilesystemBackend"][1]
    found = LocalFilesystemBackend(**{name: str(tmp_path / "connections.yaml")}).get_connection("maestroqa_default")
    assert settings_of(found).token == "my-token"


@pytest.mark.parametrize("form", ["JSON", "URI"])
def test_a_secret_of_aws_is_read(backends, blocks_of, s3_server, monkeypatch, form, read):
    import boto3
    from airflow.models import Connection

    module, arguments = backends["SecretsManagerBackend"]
    (text,) = [block for block in blocks_of("json") if "conn_type" in block]
    wanted = settings_of(Connection.from_json(text, conn_id="maestroqa_default"))
    value = text if form == "JSON" else Connection.from_json(text, conn_id="x").get_uri()
    assert "`airflow/connections/maestroqa_default`" in read(PAGE)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    client = boto3.client("secretsmanager", endpoint_url=s3_server)
    name = f"airflow/connections/maestroqa_{form.lower()}"
    client.create_secret(Name=name, SecretString=value)
    backend = importlib.import_module(module).SecretsManagerBackend(**arguments)
    found = backend.deserialize_connection(name, backend.get_conn_value(f"maestroqa_{form.lower()}"))
    client.close()
    backend.client.close()
    assert settings_of(found) == wanted


def test_the_tasks_with_connections_of_their_own_have_them(blocks_of):
    (text,) = [block for block in blocks_of("python") if "maestroqa_conn_id" in block]
    namespace = {}
    exec(text, namespace)
    assert isinstance(namespace["read"], MaestroQAGetTicketsOperator)
    assert namespace["read"].maestroqa_conn_id == "maestroqa_sales"


@pytest.fixture(scope="module")
def untrusted(tmp_path_factory):
    """A TLS server whose certificate nobody knows."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    certificate = builder.sign(key, hashes.SHA256())
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)

    class Server(HTTPServer):
        def handle_error(self, request, client_address):
            """Say nothing."""

    with Server(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"https://localhost:{server.server_port}"
        server.shutdown()
        thread.join()


#: Message → what makes it: fields, keys of the extra, or a fault of the sandbox.
CAUSES = {
    "the password is empty": {"password": ""},
    "There is a login": {"password": None, "login": "my-token"},
    "holds characters that no API token has": {"password": "my token"},
    "answered 401": {"password": "an-old-token"},
    "answered 403": {"fault": {"kind": "status", "status": 403}},
    "would send the token in the clear": {"host": "http://maestroqa.example.com"},
    "the host must hold no path": {"host": "https://app.maestroqa.com/settings"},
    "the host must hold no user": {"host": "https://me:hunter2@app.maestroqa.com"},
    "is no https address": {"host": "https://app maestroqa.com"},
    "is neither https nor http": {"host": "app.maestroqa.com", "schema": "api/v1"},
    "the port must be": {"host": "localhost", "schema": "http", "port": 70000},
    "answers, but not as MaestroQA does": {"fault": {"kind": "status", "status": 404}},
    "a redirect, which is not followed": {"fault": {"kind": "redirect"}},
    "could not be reached": {"host": "http://127.0.0.1:9"},
    "the proxy did not let the request through": {
        "host": "https://app.maestroqa.com",
        "extra": {"proxies": "http://127.0.0.1:9"},
    },
    "the certificate could not be verified": {"host": "untrusted"},
    "which is not on this machine": {"host": "https://127.0.0.1:9", "extra": {"verify": "/no/such/file.pem"}},
    "which holds no certificate": {"host": "https://127.0.0.1:9", "extra": {"verify": os.devnull}},
    "names no proxy that can be used": {"extra": {"proxies": "http://127.0.0.1:many"}},
    "names a proxy of the kind": {"environment": {"http_proxy": "ftp://127.0.0.1:9"}},
    "must look like": {"extra": {"rate_limits": {"soft": [[1, 1]]}}},
    "must be URLs of http or https proxies": {"extra": {"proxies": "socks5://127.0.0.1:9"}},
    "is no JSON": {"extra": {"rate_limits": "{normal: 5}"}},
    "must be a JSON object": {"extra": [1]},
    "must be a number of seconds": {"extra": {"timeout": "soon"}},
    "must be above 0 seconds": {"extra": {"timeout": 0}},
    "must be True or False": {"extra": {"allow_http": "maybe"}},
    "rate_limit_store": {"extra": {"rate_limit_store": "ftp://127.0.0.1"}},
}


def test_the_causes_below_are_those_of_the_page(table):
    assert set(table(PAGE, "Message holds")) == set(CAUSES)


@pytest.mark.parametrize("message", CAUSES)
def test_each_cause_gives_its_message_and_at_most_one_request(message, sandbox, monkeypatch, request):
    cause = dict(CAUSES[message])
    fault, extra = cause.pop("fault", None), cause.pop("extra", {})
    fields = {"conn_type": "maestroqa", "host": sandbox.url, "password": sandbox.token, **cause}
    for name, value in fields.pop("environment", {}).items():
        monkeypatch.setenv(name, value)
    if fields["host"] == "untrusted":
        fields["host"] = request.getfixturevalue("untrusted")
    if fault:
        sandbox.fault(path="/api/v1/todos", **fault)
    if isinstance(extra, dict):
        fields["extra"] = {"rate_limit_store": "memory", **extra}
    monkeypatch.setenv("AIRFLOW_CONN_C", json.dumps(fields))
    hook = MaestroQAHook("c")
    if not isinstance(extra, dict):
        # As it was stored by an Airflow that did not look.
        stored = SimpleNamespace(schema=None, port=None, login=None, extra=json.dumps(extra), **fields)
        monkeypatch.setattr(hook, "get_connection", lambda conn_id: stored)
    works, said = hook.test_connection()
    assert not works
    assert message in said
    assert "hunter2" not in said
    assert len(sandbox.requests) == (1 if "answer" in message or "redirect" in message else 0)


def test_a_connection_that_is_not_there_is_named_by_airflow():
    with pytest.raises(Exception, match="The conn_id `nobody` isn't defined"):
        _ = MaestroQAHook("nobody").settings
