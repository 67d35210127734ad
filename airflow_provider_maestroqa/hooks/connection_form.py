"""The connection form of Airflow 2.11 to 3.1, made from what newer ones read in the provider info."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from airflow_provider_maestroqa.client.settings import FORM_MASK
from airflow_provider_maestroqa.get_provider_info import get_provider_info


def field_behaviour() -> dict[str, Any]:
    """Which fields of every connection are hidden or renamed, and what stands in them while they are empty."""
    return {name.replace("-", "_"): value for name, value in _form()["ui-field-behaviour"].items()}


def extra_widgets() -> dict[str, Any]:
    """A field for each key of the extra."""
    from flask_babel import lazy_gettext

    return {
        name: _widget(spec["schema"], lazy_gettext(spec["label"]), spec["description"])
        for name, spec in _form()["conn-fields"].items()
    }


def _widget(schema: Mapping[str, Any], label: Any, about: str) -> Any:
    from flask_appbuilder.fieldwidgets import BS3PasswordFieldWidget, BS3TextAreaFieldWidget, BS3TextFieldWidget
    from wtforms import BooleanField, IntegerField, PasswordField, StringField
    from wtforms.validators import Optional

    if "boolean" in schema["type"]:
        return BooleanField(label, description=about)
    if "number" in schema["type"]:
        return IntegerField(label, [Optional()], description=about, widget=BS3TextFieldWidget())
    if "object" in schema["type"]:
        return StringField(label, description=about, widget=BS3TextAreaFieldWidget())
    if schema.get("format") == "password":
        return PasswordField(label, description=about, widget=_keeping(BS3PasswordFieldWidget()))
    return StringField(label, description=about, widget=BS3TextFieldWidget())


def _keeping(widget: Any) -> Callable[..., Any]:
    """Show a mask for a secret that is there. Airflow 2 forgets the secret when the field comes back empty."""
    widget.hide_value = False

    def render(field: Any, **attributes: Any) -> Any:
        if field.data:
            attributes["value"] = FORM_MASK
        return widget(field, **attributes)

    return render


def _form() -> dict[str, Any]:
    form: dict[str, Any] = get_provider_info()["connection-types"][0]
    return form
