"""The connection form of Airflow 2.11 to 3.1. Newer Airflows read theirs in the provider info."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow_provider_maestroqa.client.connection_fields import EXTRA_FIELDS, ConnectionField
from airflow_provider_maestroqa.client.settings import FORM_MASK
from airflow_provider_maestroqa.get_provider_info import get_provider_info


def field_behaviour() -> dict[str, Any]:
    """Return which standard fields are hidden or renamed, and their placeholders."""
    behaviour = get_provider_info()["connection-types"][0]["ui-field-behaviour"]
    return {name.replace("-", "_"): value for name, value in behaviour.items()}


def extra_widgets() -> dict[str, Any]:
    """Make an input field for each key of the extra."""
    return {field.name: _widget(field) for field in EXTRA_FIELDS}


def _widget(field: ConnectionField) -> Any:
    from flask_appbuilder.fieldwidgets import BS3PasswordFieldWidget, BS3TextAreaFieldWidget, BS3TextFieldWidget
    from flask_babel import lazy_gettext
    from wtforms import BooleanField, IntegerField, PasswordField, StringField
    from wtforms.validators import Optional

    label, types, texts = lazy_gettext(field.label), field.schema["type"], {"description": field.form_help}
    if "boolean" in types:
        return BooleanField(label, **texts)
    if "number" in types:
        return IntegerField(label, [Optional()], widget=BS3TextFieldWidget(), **texts)
    if field.is_sensitive:
        return PasswordField(label, widget=_with_mask(BS3PasswordFieldWidget()), **texts)
    return StringField(label, widget=BS3TextAreaFieldWidget() if "object" in types else BS3TextFieldWidget(), **texts)


def _with_mask(widget: Any) -> Callable[..., Any]:
    """Show a mask for a secret that is stored. Airflow 2 clears the secret when its field comes back empty."""
    widget.hide_value = False

    def render(field: Any, **attributes: Any) -> Any:
        if field.data:
            attributes["value"] = FORM_MASK
        return widget(field, **attributes)

    return render
