"""What huggingface_hub is asked for: listings, searches, where a file is. It honours HF_TOKEN, HF_ENDPOINT, proxies."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, TypeVar

from modelhub.errors import DownloadFailed

T = TypeVar("T")

SECONDS = 15.0  # until an answer begins
TRIES, DELAY = 4, 0.25  # of what may be better the next time, and seconds between the first two

MISSING = (
    "fetching from the Hugging Face Hub needs huggingface_hub, which is not installed: "
    "type %pip install 'jupyter-modelhub[local]'"
)


def repository(name: str, revision: str | None) -> dict[str, Any]:
    """The files of a repository with sizes and hashes, at the commit that `revision` is now. Raises DownloadFailed."""
    api = _api()
    info = _ask(name, lambda: api.model_info(name, revision=revision, files_metadata=True, timeout=SECONDS))
    card = info.card_data.to_dict() if info.card_data is not None else {}
    return {
        "repository": name,
        "commit": info.sha,
        "gated": bool(info.gated),
        "licence": str(card.get("license_name") or card.get("license") or "") or None,
        "gguf": info.gguf if isinstance(info.gguf, dict) else {},
        "tags": [str(t) for t in info.tags or []],
        "created": None if info.created_at is None else int(info.created_at.timestamp()),
        "files": [
            {"name": s.rfilename, "size": s.size, "git": s.blob_id, "sha256": None if s.lfs is None else s.lfs.sha256}
            for s in info.siblings or []
        ],
    }


def search(query: str, limit: int) -> list[dict[str, Any]]:
    """Repositories with GGUFs for some words, the most fetched first. Raises DownloadFailed."""
    api = _api()

    def ask() -> list[dict[str, Any]]:
        found = api.list_models(filter="gguf", search=query or None, sort="downloads", limit=limit)
        return [
            {
                "repository": m.id,
                "downloads": m.downloads,
                "likes": m.likes,
                "gated": bool(m.gated),
                "licence": next((t.removeprefix("license:") for t in m.tags or [] if t.startswith("license:")), None),
            }
            for m in found
        ]

    return _ask("the search", ask)


def place(repository_name: str, commit: str, file: str) -> tuple[str, dict[str, str]]:
    """The address of a file and the headers to ask with, once the Hub says it may be had. Raises DownloadFailed."""
    _import()
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.utils._headers import build_hf_headers  # `huggingface_hub.utils` has it, and says so to nobody

    url = hf_hub_url(repository_name, file, revision=commit, endpoint=os.environ.get("HF_ENDPOINT") or None)
    headers = build_hf_headers(library_name="modelhub")
    _ask(repository_name, lambda: get_hf_file_metadata(url, headers=dict(headers), timeout=SECONDS))
    return url, {k: v for k, v in headers.items() if isinstance(v, str)}


def token_hint(name: str) -> str:
    """What to do about a model that may not be read."""
    return (
        f"accept its licence at {_endpoint()}/{name} with your account, make a token at {_endpoint()}/settings/tokens, "
        "set it as the environment variable HF_TOKEN, then type the same again"
    )


def _import() -> None:
    try:
        import huggingface_hub  # noqa: F401 - whether it is there
    except ImportError:
        raise DownloadFailed(MISSING) from None


def _api() -> Any:
    _import()
    from huggingface_hub import HfApi

    return HfApi(library_name="modelhub")


def _ask(name: str, ask: Callable[[], T]) -> T:
    """What `ask` gives; some errors are tried again. Raises DownloadFailed, one line that says what to do."""
    delay = DELAY
    for left in reversed(range(TRIES)):
        try:
            return ask()
        except Exception as error:
            status = getattr(getattr(error, "response", None), "status_code", None)
            if left and status in (429, 500, 502, 503, 504):
                time.sleep(delay)
                delay *= 2
                continue
            raise _in_words(name, error, status) from None
    raise AssertionError("the last try ends in one of the two")


def _in_words(name: str, error: Exception, status: int | None) -> DownloadFailed:
    from huggingface_hub import errors

    has_token = "the token that is set (HF_TOKEN, or hf auth login) may not read it; " if _has_token() else ""
    if isinstance(error, errors.OfflineModeIsEnabled):
        why = "HF_HUB_OFFLINE is set, so nothing is fetched; unset it and type the same again"
    elif isinstance(error, errors.GatedRepoError):
        why = f"it is gated: {has_token}{token_hint(name)}"
    elif isinstance(error, errors.RevisionNotFoundError):
        why = "the repository has no such revision; leave it out for the newest"
    elif isinstance(error, errors.EntryNotFoundError):
        why = "the repository has no such file any more; type the same again for a new listing"
    elif status == 401 and "credentials" in str(error).lower():
        why = "the token that is set (HF_TOKEN, or hf auth login) is not valid; make a new one or unset it"
    elif isinstance(error, errors.RepositoryNotFoundError):
        why = (
            f"there is no such repository, or it is private; check the name at {_endpoint()}/models, or set the "
            "environment variable HF_TOKEN to a token that may read it"
        )
    elif isinstance(error, errors.DisabledRepoError):
        why = "the repository was disabled by the Hub; look for another with %models browse --online"
    elif isinstance(error, errors.HFValidationError):
        why = f"it is no name of a repository ({error})"
    elif status == 403:
        why = f"it may not be read (403): {has_token}{token_hint(name)}"
    elif status == 429:
        why = "too many requests (429); wait some minutes, or set HF_TOKEN, which allows more"
    elif status is not None:
        why = f"the Hub answered {status} {TRIES} times; try again later" if status >= 500 else f"the Hub said {status}"
    elif "Timeout" in type(error).__name__:
        why = f"{_endpoint()} did not answer within {SECONDS:g} seconds; check the network and try again"
    elif isinstance(error, OSError) or "Error" in type(error).__name__:
        why = f"{_endpoint()} cannot be reached ({error}); check the network, a proxy (HTTPS_PROXY) and HF_ENDPOINT"
    else:
        why = f"{type(error).__name__}: {error}"
    return DownloadFailed(f"{name} was not fetched: {why}")


def _has_token() -> bool:
    from huggingface_hub import get_token

    return bool(get_token())


def _endpoint() -> str:
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")
