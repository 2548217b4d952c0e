"""The HTTP client that Tipstream's processes call each other with."""

from typing import Any

import httpx


def http_client(base_url: str, **options: Any) -> httpx.AsyncClient:
    """A client of the process at `base_url`, with httpx's own options; close it at the end.

    HTTP_PROXY and the like are for hosts outside and do not count. Certificates of authorities, which take 40 ms to
    read, are read only for an https address.
    """
    return httpx.AsyncClient(base_url=base_url, trust_env=False, verify=base_url.startswith("https:"), **options)
