"""What is said of a redirect: where it leads, and which host belongs into the connection."""

from __future__ import annotations

import pytest

from airflow_provider_maestroqa.client.transport.redirects import redirect_message

OLD, NEW = "https://app.maestroqa.com", "https://app.rippit.com"
MOVED = f"MaestroQA is called Rippit now: put {NEW} into the connection's host."
CHECK = "Check the connection's host."


@pytest.mark.parametrize(
    ("base_url", "location", "target", "advice"),
    [
        (OLD, f"{NEW}/api/v1/todos?count=1", f"{NEW}/api/v1/todos", MOVED),
        (OLD, "http://app.rippit.com", "http://app.rippit.com", MOVED),
        (OLD, "/login;session=s3cr3t?next=%2Ftodos", "/login", MOVED),
        (OLD, "", "", MOVED),
        (OLD, "https://[broken", "", MOVED),
        ("https://maestroqa.example", f"{NEW}/", f"{NEW}/", MOVED),
        ("https://maestroqa.example", f"{NEW}.example/", f"{NEW}.example/", CHECK),
        (NEW, f"{NEW}/login", f"{NEW}/login", CHECK),
        (NEW, "//user:s3cr3t@sso.example:8443/a#s3cr3t", "//sso.example:8443/a", CHECK),
        ("", "https://sso.example/t0k3nt0k3n/a", "https://sso.example/***/a", CHECK),
    ],
)
def test_a_redirect_names_its_target_without_its_query_and_the_host_to_use(base_url, location, target, advice):
    message = redirect_message(base_url, location, secrets=["t0k3nt0k3n"])
    begin, _, end = message.partition("another host.")
    assert begin.startswith("a redirect, which is not followed")
    assert end.strip() == (f"It leads to {target}. {advice}" if target else advice)
