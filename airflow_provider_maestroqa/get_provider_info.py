"""What Airflow is told of this provider. A literal: Airflow reads it very early, so nothing is imported here."""

from __future__ import annotations

from typing import Any

_PACKAGE = "airflow_provider_maestroqa"
_ASSET_URIS = [
    {
        "schemes": ["maestroqa"],
        "handler": f"{_PACKAGE}.assets.sanitize_uri",
        "factory": f"{_PACKAGE}.assets.maestroqa_asset",
        "to_openlineage_converter": f"{_PACKAGE}.assets.convert_asset_to_openlineage",
    }
]


def get_provider_info() -> dict[str, Any]:
    """Describe the provider to Airflow's provider manager."""
    return {
        "package-name": "airflow-provider-maestroqa",
        "name": "MaestroQA",
        "description": "Moves exports out of MaestroQA and records into it, within the token's request budget.",
        "integrations": [
            {
                "integration-name": "MaestroQA",
                "external-doc-url": "https://help.maestroqa.com",
                "tags": ["service"],
            }
        ],
        "hooks": [{"integration-name": "MaestroQA", "python-modules": [f"{_PACKAGE}.hooks.maestroqa"]}],
        "operators": [
            {
                "integration-name": "MaestroQA",
                "python-modules": [
                    f"{_PACKAGE}.operators.exports",
                    f"{_PACKAGE}.operators.tickets",
                    f"{_PACKAGE}.operators.comments",
                    f"{_PACKAGE}.operators.attachments",
                    f"{_PACKAGE}.operators.metrics",
                    f"{_PACKAGE}.operators.agents",
                ],
            }
        ],
        "sensors": [{"integration-name": "MaestroQA", "python-modules": [f"{_PACKAGE}.sensors.exports"]}],
        "triggers": [
            {
                "integration-name": "MaestroQA",
                "python-modules": [f"{_PACKAGE}.triggers.exports", f"{_PACKAGE}.triggers.coaching_sessions"],
            }
        ],
        "transfers": [
            {
                "source-integration-name": "MaestroQA",
                "target-integration-name": "Amazon Simple Storage Service (S3)",
                "python-module": f"{_PACKAGE}.transfers.export_to_s3",
            },
            {
                "source-integration-name": "MaestroQA",
                "target-integration-name": "Object storage",
                "python-module": f"{_PACKAGE}.transfers.export_to_object_storage",
            },
            {
                "source-integration-name": "MaestroQA",
                "target-integration-name": "Object storage",
                "python-module": f"{_PACKAGE}.transfers.records_to_object_storage",
            },
            {
                "source-integration-name": "Object storage",
                "target-integration-name": "MaestroQA",
                "python-module": f"{_PACKAGE}.transfers.object_storage_to_maestroqa",
            },
            {
                "source-integration-name": "Common SQL",
                "target-integration-name": "MaestroQA",
                "python-module": f"{_PACKAGE}.transfers.sql_to_maestroqa",
            },
        ],
        "asset-uris": _ASSET_URIS,
        # Airflow 2's name for the same.
        "dataset-uris": _ASSET_URIS,
        "extra-links": [f"{_PACKAGE}.links.MaestroQALink", f"{_PACKAGE}.links.LandedFilesLink"],
        "connection-types": [
            {
                "connection-type": "maestroqa",
                "hook-class-name": f"{_PACKAGE}.hooks.maestroqa.MaestroQAHook",
                "hook-name": "MaestroQA",
                "ui-field-behaviour": {
                    "hidden-fields": ["login", "schema"],
                    "relabeling": {"password": "API token", "host": "Base URL"},
                    "placeholders": {
                        "host": "Empty: https://app.maestroqa.com",
                        "password": "From MaestroQA: Other Settings, API Tokens, Create New Token",
                        "port": "Empty. Test on Airflow 3.3.1 and 3.3.2 wants 443",
                    },
                },
                "conn-fields": {
                    "rate_limits": {
                        "label": "Rate limits",
                        "description": "What the token may use, as JSON: for each bucket pairs of requests and "
                        'seconds, such as {"normal": [[10, 1], [100, 60]], "hard": [[1, 1], [30, 60]]}. '
                        "Empty: those are what MaestroQA documents.",
                        "schema": {"type": ["object", "null"]},
                    },
                    "rate_limit_store": {
                        "label": "Rate limit store",
                        "description": "Where tasks share the token's budget. Empty: a file on this machine. For "
                        "workers on many machines: redis://:password@host:6379/0, or rediss:// with TLS.",
                        "schema": {"type": ["string", "null"], "format": "password"},
                    },
                    "timeout": {
                        "label": "Time-out (seconds)",
                        "description": "How long to wait for the next bytes of an answer. Empty: 60.",
                        "schema": {"type": ["number", "null"], "minimum": 1, "maximum": 3600},
                    },
                    "verify": {
                        "label": "Verify TLS",
                        "description": "true, false, or the path on the workers of a file with certificate "
                        "authorities. Empty: true.",
                        "schema": {
                            "type": ["string", "null"],
                            "examples": ["true", "false", "/etc/ssl/certs/ca-certificates.crt"],
                        },
                    },
                    "proxies": {
                        "label": "Proxy",
                        "description": "A proxy's URL, such as http://user:password@proxy:3128, or JSON such as "
                        '{"https": "http://proxy:3128"}. Empty: what the environment says.',
                        "schema": {"type": ["string", "null"], "format": "password"},
                    },
                    "allow_http": {
                        "label": "Allow plain HTTP",
                        "description": "Lets the token travel unencrypted to a host other than this machine.",
                        "schema": {"type": ["boolean", "null"]},
                    },
                },
            }
        ],
    }
