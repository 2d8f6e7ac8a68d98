"""The key store: kept for its owner alone, given out for its own address, seen nowhere."""

from __future__ import annotations

import json
import os
import stat
import threading
from pathlib import Path

import pytest

from modelhub.errors import BadRequest, HubError, StoreFailed
from modelhub.kernels.providers.key_store import KeyStore

CANARY = "sk-canary-0123456789"


def test_a_key_is_kept_and_forgotten(home: Path) -> None:
    """What is set is there for the next store; what is removed is gone."""
    store = KeyStore()
    assert (store.names(), store.get("openai"), store.remove("openai")) == ([], None, False)
    store.set("openai", f" {CANARY}\n".strip())
    store.set("azure", "other", "https://x.openai.azure.com/")
    assert KeyStore().names() == ["azure", "openai"]
    assert KeyStore().get("openai") == CANARY
    assert KeyStore().origin("azure") == "https://x.openai.azure.com/"
    assert KeyStore().remove("openai") and KeyStore().names() == ["azure"]


def test_only_its_owner_may_read_it(home: Path) -> None:
    """The file has the rights 0600 from the first moment, whatever the umask, and also after a change."""
    before = os.umask(0)
    try:
        for name in ("a", "b"):
            KeyStore().set(name, CANARY)
            assert stat.S_IMODE((home / "keys.json").stat().st_mode) == 0o600
    finally:
        os.umask(before)
    assert sorted(p.name for p in home.iterdir()) == [".keys.lock", "keys.json"]


def test_a_key_is_for_its_address(home: Path) -> None:
    """A key that came with an address is given out for that host and port only."""
    store = KeyStore()
    store.set("corp", CANARY, "https://llm.corp.example:4891/v1")
    for origin in (None, "https://LLM.corp.example:4891/other", "llm.corp.example:4891"):
        assert store.get("corp", origin) == CANARY
    for origin in (
        "https://llm.corp.example",
        "https://evil.example:4891",
        "https://llm.corp.example:4891@evil.example",
    ):
        assert store.get("corp", origin) is None


def test_a_key_is_seen_nowhere(home: Path) -> None:
    """Neither the store nor any error of it shows a key, also where the file is broken or cannot be written."""
    store = KeyStore()
    store.set("openai", CANARY)
    assert repr(store) == str(store) == "<KeyStore: openai>"
    for name, key in (("", CANARY), ("x", f"{CANARY}\n{CANARY}"), ("x", CANARY * 1000), ("x\n", CANARY), ("x", "")):
        with pytest.raises(BadRequest) as refused:
            store.set(name, key)
        assert "canary" not in str(refused.value)
    (home / "keys.json").write_text(json.dumps({"openai": {"key": CANARY}})[:-1])
    assert store.names() == [] and store.get("openai") is None
    with pytest.raises(StoreFailed) as broken:
        store.set("x", CANARY)
    assert "canary" not in str(broken.value) and broken.value.__cause__ is None
    assert "canary" in (home / "keys.json").read_text()  # it is not overwritten


def test_strange_files_are_no_keys(home: Path) -> None:
    """Whatever the file holds, the answer is a key, none, or an error of ours."""
    home.mkdir(parents=True)
    for content in ("[]", "null", '{"a": "b"}', '{"a": {"key": 5}}', "[" * 100_000, "\0", '{"a": {}}'):
        (home / "keys.json").write_text(content)
        assert KeyStore().get("a") is None
    (home / "keys.json").unlink()
    (home / "keys.json").mkdir()
    assert KeyStore().get("a") is None
    with pytest.raises(HubError):
        KeyStore().set("a", CANARY)


def test_two_at_once_lose_nothing(home: Path) -> None:
    """Kernels that keep keys at the same time keep all of them."""
    threads = [threading.Thread(target=KeyStore().set, args=(f"p{n}", CANARY)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(KeyStore().names()) == 12
