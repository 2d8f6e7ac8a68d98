"""Azure OpenAI: OpenAI's requests under addresses of its own, for models that are deployments with any name.

Setting `api_version`: "" for the v1 route, `RESOURCE/openai/v1`, as also "preview" and "latest"; a date for the older
route, `RESOURCE/openai/deployments/NAME/chat/completions?api-version=DATE`
(https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle). Setting `base_model`: see
`rules.target_of`. The first chunk has no id, and filters report in chunks without a delta; `OpenAIReader` knows both.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlencode

from modelhub.kernels.providers.dialects.dialect import Call
from modelhub.kernels.providers.dialects.openai import OpenAI
from modelhub.kernels.providers.provider import Provider
from modelhub.kernels.providers.rules import Target

_V1 = {"", "v1", "preview", "latest"}


class Azure(OpenAI):
    """The dialect."""

    name = "azure"

    def address(self, target: Target) -> str:
        """See `OpenAI.address`."""
        provider, version = target.provider, str(target.settings.get("api_version") or "")
        if version in _V1:
            return f"{_v1(provider)}/chat/completions{_query(version)}"
        where = f"{_resource(provider)}/openai/deployments/{quote(target.model, safe='')}"
        return f"{where}/chat/completions{_query(version)}"

    def list_call(self, provider: Provider, following: Mapping[str, str]) -> Call:
        """See `Dialect.list_call`. What is listed are base models; no route lists deployments with this key."""
        version = str(provider.settings.get("api_version") or "")
        where = _v1(provider) if version in _V1 else f"{_resource(provider)}/openai"
        return Call("GET", f"{where}/models{_query(version)}")


def _resource(provider: Provider) -> str:
    """The address of the resource, whichever of its routes the base URL names."""
    base = provider.base_url.rstrip("/")
    for route in ("/openai/v1", "/openai"):
        base = base.removesuffix(route)
    return base


def _v1(provider: Provider) -> str:
    base = provider.base_url.rstrip("/")
    return base if base.endswith("/v1") else f"{_resource(provider)}/openai/v1"


def _query(version: str) -> str:
    return f"?{urlencode({'api-version': version})}" if version else ""


DIALECT = Azure()
