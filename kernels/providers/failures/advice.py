"""What to type, or to do, about an error of a provider."""

from __future__ import annotations

from collections.abc import Iterable

from modelhub.errors import did_you_mean
from modelhub.kernels.providers.failures.waits import shown
from modelhub.kernels.providers.provider import Provider


def advice(
    kind: str,
    provider: Provider,
    *,
    status: int | None = None,
    param: str | None = None,
    wait: float | None = None,
    passing: bool = True,
    page: bool = False,
    loading: bool = False,
    about_model: bool = True,
    model: str = "",
    known: Iterable[str] = (),
) -> str:
    """One clause, "" where there is nothing to say that the provider does not say itself."""
    name, links = provider.name, provider.links
    later = f"ask again in {shown(wait)}" if wait is not None else "ask again later" if passing else ""
    page_of_account = links.get("billing") or links.get("keys")
    account = f": {page_of_account}" if page_of_account else ""
    match kind:
        case "auth":
            made = f"; keys are made at {links['keys']}" if links.get("keys") else ""
            return f"type %models keys set {name} to give it another key{made}"
        case "permission":
            return f"its key may not do this; look at what the account may use{account}"
        case "quota":
            return f"its quota is used up; look at the account{account}"
        case "not_found" if page or not about_model:
            return _address(name)
        case "not_found":
            near = did_you_mean(model, known)
            return f"%models refresh {name} reads its list of models anew" + (f".{near}" if near else "")
        case "unsupported_param" if not (param or "").startswith("messages"):
            return f"leave {param} out" if param else "leave out what it does not take"
        case "context_length":
            return "make the prompt shorter, begin a new conversation, or ask for fewer tokens"
        case "content_filter":
            return "its filter stopped this; say it otherwise"
        case "too_large":
            return "send less at once"
        case "overloaded" if loading:
            return f"it is still loading the model; {later}"
        case "rate_limit" | "overloaded":
            return later
        case "timeout" | "server":
            return later
        case "protocol":
            return _address(name)
        case "bad_request" if page or status == 405:
            return _address(name)
    return ""


def _address(name: str) -> str:
    return f"look at its address: %models provider show {name}"
