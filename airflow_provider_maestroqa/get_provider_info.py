"""What Airflow knows about this provider. Airflow reads it very early, so next to nothing is imported here."""

from __future__ import annotations

from typing import Any

from airflow_provider_maestroqa.client.connection_fields import CONFIG_OPTIONS, CONFIG_SECTION, EXTRA_FIELDS
from airflow_provider_maestroqa.client.hosts import DEFAULT_HOST, NEW_HOST, TOKEN_PAGE

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
        "description": "Moves exports out of MaestroQA (now Rippit) and records into it, within its request limits.",
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
                    f"{_PACKAGE}.operators.csat",
                    f"{_PACKAGE}.operators.agents",
                    f"{_PACKAGE}.operators.agent_groups",
                    f"{_PACKAGE}.operators.data_deletion",
                ],
            }
        ],
        "sensors": [{"integration-name": "MaestroQA", "python-modules": [f"{_PACKAGE}.sensors.exports"]}],
        "triggers": [
            {
                "integration-name": "MaestroQA",
                "python-modules": [
                    f"{_PACKAGE}.triggers.exports",
                    f"{_PACKAGE}.triggers.coaching_sessions",
                    f"{_PACKAGE}.triggers.data_deletion",
                ],
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
        "config": {
            CONFIG_SECTION: {
                "description": "Defaults for connections to MaestroQA that leave a field empty.",
                "options": {option.name: option.config_option for option in CONFIG_OPTIONS},
            }
        },
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
                        "host": f"Empty: {DEFAULT_HOST}; or {NEW_HOST}",
                        "password": f"From MaestroQA or Rippit: {TOKEN_PAGE}",
                        "port": "Empty. Test on Airflow 3.3.1 and 3.3.2 wants 443",
                    },
                },
                "conn-fields": {field.name: field.form_field for field in EXTRA_FIELDS},
            }
        ],
    }
