"""The one import of the HTTP client, httpx (https://www.python-httpx.org), and of httpcore beneath it: not light."""

from __future__ import annotations

import httpcore
import httpx
from httpx import Client, HTTPError, InvalidURL, Response

__all__ = ["Client", "HTTPError", "InvalidURL", "Response", "httpcore", "httpx"]
