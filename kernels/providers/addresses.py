"""Addresses of providers as they are typed and pasted, and as they are kept."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import parse_qsl, urlsplit

from modelhub.errors import BadRequest
from modelhub.kernels.protocol.request import short

# What is pasted behind an address and belongs to one call; the longest first.
_CALLS = {
    "openai": ("/chat/completions", "/completions", "/embeddings", "/responses", "/models"),
    "anthropic": ("/v1/messages", "/v1/models", "/messages", "/v1"),
    "gemini": ("/models",),
    "cohere": ("/v2/chat", "/v1/chat", "/v1/models", "/v2", "/v1"),
    "ollama": ("/api/chat", "/api/generate", "/api/tags", "/api", "/v1"),
}
_NEAR = re.compile(r"(?:.*\.)?(?:localhost|local|internal|lan|home\.arpa|home|intranet|corp)", re.IGNORECASE)


def address(text: str, dialect: str = "openai", path: str = "", port: int | None = None) -> tuple[str, dict[str, str]]:
    """An address as it is kept, and what stood behind a question mark, which is none of it.

    A scheme is added where it lacks: http for this machine and the network near it, else https. The path of a call
    that was pasted with it is cut off, and slashes at its end. path, port: where it has none.

    Raises BadRequest for what is no address, and for one with a name, a password or a key in it.
    """
    bare = text.strip() if isinstance(text, str) else ""
    wrong = BadRequest(
        f"base_url must be an address such as https://example.com/v1; got {short(_without_secrets(str(text)))}",
        param="base_url",
    )
    if not bare or not bare.isprintable() or any(c.isspace() for c in bare) or "\\" in bare:
        raise wrong
    if "://" not in bare:
        host = (urlsplit(f"//{bare}").hostname or "") if not bare.startswith(":") else "localhost"
        bare = f"localhost{bare}" if bare.startswith(":") else bare
        bare = f"{'http' if is_near(host) else 'https'}://{bare}"
    try:
        parts = urlsplit(bare)
        number = parts.port or port
        host = (parts.hostname or "").rstrip(".")
    except ValueError:
        raise wrong from None
    if parts.scheme.lower() not in {"http", "https"} or not _is_host(host) or parts.netloc.endswith(":"):
        raise wrong
    if parts.username is not None or parts.password is not None:
        raise BadRequest(
            f"a base_url holds no name and no password: leave out what stands before {host}; a key is set by "
            "%models keys set NAME",
            param="base_url",
        )
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    if parts.fragment or query.keys() - {"api-version"}:
        raise BadRequest(
            f"a base_url ends with its path: leave out what stands behind the ? of {host}; a key is set by "
            "%models keys set NAME",
            param="base_url",
        )
    if host == "0.0.0.0" or host == "::":
        host = "127.0.0.1"
    shown = f"[{host}]" if ":" in host else host.lower()
    default = {"http": 80, "https": 443}[parts.scheme.lower()]
    site = f"{parts.scheme.lower()}://{shown}" + (f":{number}" if number and number != default else "")
    return site + (_cut(parts.path, dialect) or path), query


def _cut(path: str, dialect: str) -> str:
    """A path without what belongs to one call, and without slashes at its end."""
    path = re.sub(r"/{2,}", "/", path).rstrip("/")
    if dialect == "azure":
        path = re.sub(r"/deployments(?:/.*)?$", "", path)
    for call in _CALLS.get(dialect, _CALLS["openai"]):
        if path.lower().endswith(call):
            return path[: -len(call)].rstrip("/")
    return path


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    host = host.strip("[]").lower()
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback or host in {"0.0.0.0", "::"}
    except ValueError:
        return False


def is_near(host: str) -> bool:
    """Whether a host is this machine, or one of a private network: by its number, or a name without a dot."""
    host = host.strip("[]").lower()
    try:
        number = ipaddress.ip_address(host)
    except ValueError:
        return bool(host) and ("." not in host or _NEAR.fullmatch(host) is not None)
    return number.is_loopback or number.is_private or number.is_link_local


def check_http(url: str, keyed: bool, allow_http: bool) -> None:
    """Raises BadRequest for an address of plain http over which something should not go.

    keyed: whether a key goes with requests. This machine may always be asked over http, one near by without a key.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme != "http" or allow_http or is_loopback(host) or (is_near(host) and not keyed):
        return
    what = "the key and what is said" if keyed else "what is said"
    raise BadRequest(
        f"{url} is plain http, over which everybody on the way reads {what}: use https://, or say that it may be so by "
        "--allow-http (allow_http=True)",
        param="base_url",
    )


def _is_host(host: str) -> bool:
    if not host or len(host) > 253:
        return False
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return all(re.fullmatch(r"[^\W_](?:[\w-]{0,61}[^\W_])?", part) for part in host.split("."))
    return True


def _without_secrets(text: str) -> str:
    """What of a wrong address can be shown: no user, no password, nothing behind a question mark."""
    return re.sub(r"\?.*", "?…", re.sub(r"(?<=//)[^/@]*@", "…@", text))
