"""The HTTP client that Tipstream's processes call each other with."""

import ssl
from typing import Any

import httpx


def http_client(base_url: str, **options: Any) -> httpx.AsyncClient:
    """A client of the process at `base_url`, with httpx's own options; close it at the end.

    HTTP_PROXY and the like are for hosts outside and do not count. The authorities that an https address needs are
    those of this machine, or of SSL_CERT_FILE and SSL_CERT_DIR; reading them takes 40 ms.
    """
    verify = ssl.create_default_context() if base_url.startswith("https:") else False
    return httpx.AsyncClient(base_url=base_url, trust_env=False, verify=verify, **options)
