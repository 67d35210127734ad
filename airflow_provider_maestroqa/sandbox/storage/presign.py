"""Presigned URLs in the shape of S3's, signed with a secret that only this sandbox knows."""

from __future__ import annotations

import hashlib
import hmac
import math
import secrets
import threading
from collections.abc import Mapping
from datetime import datetime, timezone
from urllib.parse import quote, urlencode


class Signer:
    """Signs URLs and checks them."""

    def __init__(self, secret: bytes | None = None) -> None:
        self._secret = secret or secrets.token_bytes(32)
        self._lock = threading.Lock()
        # The date in a URL has whole seconds; tests want to see the very moment of expiry.
        self._expiry: dict[str, float] = {}

    def presign(
        self,
        base_url: str,
        path: str,
        *,
        method: str = "GET",
        now: float,
        ttl: float,
        headers: Mapping[str, str] | None = None,
    ) -> str:
        """A fresh URL for one object."""
        date = datetime.fromtimestamp(now, timezone.utc)
        query = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"ASIASANDBOXSANDBOX00/{date:%Y%m%d}/us-east-1/s3/aws4_request",
            "X-Amz-Date": f"{date:%Y%m%dT%H%M%SZ}",
            "X-Amz-Expires": str(math.ceil(ttl)),
            # Temporary credentials carry one; here it also makes two URLs of the same second differ.
            "X-Amz-Security-Token": secrets.token_urlsafe(48),
            "X-Amz-SignedHeaders": ";".join(sorted(["host", *(headers or {})])),
        }
        host = base_url.split("//", 1)[1]
        signature = self._sign(method, host, path, query, headers or {})
        with self._lock:
            self._expiry[signature] = now + ttl
        return (
            f"{base_url}{quote(path)}?{urlencode({**query, 'X-Amz-Signature': signature}, quote_via=quote, safe='')}"
        )

    @property
    def signatures(self) -> list[str]:
        """All signatures so far."""
        with self._lock:
            return list(self._expiry)

    def expire(self, signature: str) -> None:
        """Make one URL expire now."""
        with self._lock:
            if signature in self._expiry:
                self._expiry[signature] = -math.inf

    def rejection(
        self,
        method: str,
        host: str,
        path: str,
        query: Mapping[str, str],
        now: float,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[str, str] | None:
        """Why a request is rejected, as S3's code and message; ``None`` when it is not."""
        signature = query.get("X-Amz-Signature")
        if signature is None:
            return "AccessDenied", "Access Denied"
        signed = {name: value for name, value in query.items() if name != "X-Amz-Signature"}
        names = signed.get("X-Amz-SignedHeaders", "").split(";")
        signed_headers = {name: (headers or {}).get(name, "") for name in names if name != "host"}
        expected = self._sign(method, host, path, signed, signed_headers)
        if not hmac.compare_digest(expected.encode(), signature.encode()):
            return "SignatureDoesNotMatch", (
                "The request signature we calculated does not match the signature you provided. Check your key and"
                " signing method."
            )
        with self._lock:
            expiry = self._expiry.get(signature, -math.inf)
        return ("AccessDenied", "Request has expired") if now >= expiry else None

    def _sign(self, method: str, host: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> str:
        values = urlencode(sorted(query.items()), quote_via=quote, safe="")
        signed_headers = [f"{name}:{value.strip()}" for name, value in sorted(headers.items())]
        canonical = "\n".join((method, host, path, values, *signed_headers))
        return hmac.new(self._secret, canonical.encode(), hashlib.sha256).hexdigest()
