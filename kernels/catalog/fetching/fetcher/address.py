"""A plain address: what would come from there."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote, urlsplit

from modelhub.errors import DownloadFailed
from modelhub.kernels import transport
from modelhub.kernels.catalog.fetching.safe_names import safe_name


def probe(url: str) -> dict[str, Any]:
    """What a plain address gives: the file's name and size. Raises DownloadFailed."""
    with transport.client({"Accept-Encoding": "identity"}) as client:
        try:
            with client.stream("GET", url) as answer:
                status, headers, last = answer.status_code, answer.headers, str(answer.url)
        except (transport.HTTPError, transport.InvalidURL) as error:
            raise DownloadFailed(
                f"{url} was not fetched: {transport.why(error)}; check the address and the network"
            ) from None
    if status >= 500 or status == 429:
        status = 200  # which the fetching tries again
    if status != 200:
        what = {401: "the server asks for a login", 403: "it may not be read", 404: "there is no such file"}
        raise DownloadFailed(
            f"{url} was not fetched: {what.get(status, 'the server refused')} ({status}); check the address"
        )
    sent = re.search(r'filename="?([^";]+)', headers.get("Content-Disposition", ""))
    names = [sent[1]] if sent else [unquote(urlsplit(u).path).rpartition("/")[2] for u in (url, last)]
    name = next((n for n in names if n.lower().endswith(".gguf")), names[0])
    if not name.lower().endswith(".gguf"):
        raise DownloadFailed(f"{url} was not fetched: it is no address of a .gguf file; give that of the file itself")
    length = headers.get("Content-Length", "")
    return {"name": safe_name(name, url), "size": int(length) if length.isdigit() else None}
