"""`keys.json`: kept for its owner alone, given out for its own address, seen nowhere."""

from __future__ import annotations

import json
import os
import stat
import threading
from pathlib import Path

import pytest

from modelhub.errors import BadRequest, HubError, StoreFailed
from modelhub.kernels.providers.keys.key_store import KeyStore

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


def test_a_home_is_for_its_owner_alone(home: Path) -> None:
    """The home that is made for a key has the rights 0700."""
    KeyStore().set("openai", CANARY)
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_rights_that_are_too_wide_are_told_and_left(home: Path) -> None:
    """A file others may read is told of with what to type, and not changed in silence."""
    store = KeyStore()
    store.set("openai", CANARY)
    assert store.problems == []
    (home / "keys.json").chmod(0o644)
    (problem,) = store.problems
    assert "mode 0644" in problem and f"chmod 600 {home / 'keys.json'}" in problem
    assert stat.S_IMODE((home / "keys.json").stat().st_mode) == 0o644 and store.get("openai") == CANARY
    home.chmod(0o777)
    assert any(f"chmod 700 {home}" in problem for problem in store.problems)
    (home / "keys.json").write_text("{")
    assert any("it is no JSON" in problem for problem in store.problems)


def test_keys_have_names(home: Path) -> None:
    """Several keys of one provider are kept beside each other, and one that is chosen is remembered."""
    store = KeyStore()
    store.set("openai", "first-key-1", "https://api.openai.com:443")
    store.set("openai", "second-key-2", "https://api.openai.com:443", name="work")
    store.set("openai", None, "https://api.openai.com:443", name="home")
    store.use("openai", "work")
    assert list(store.entries("openai")) == ["default", "home", "work"] and store.used("openai") == "work"
    assert (store.get("openai"), store.get("openai", name="work")) == ("first-key-1", "second-key-2")
    assert store.get("openai", name="home") is None
    assert {s.reveal() for s in store.secrets()} == {"first-key-1", "second-key-2"}
    assert store.remove("openai", "default") and not store.remove("openai", "default")
    assert store.remove("openai", "work") and store.used("openai") is None
    assert list(store.entries("openai")) == ["home"] and store.remove("openai") and store.names() == []


def test_a_file_of_the_first_days_is_read(home: Path) -> None:
    """A file with a key a provider, and with or without its address, is what it was."""
    home.mkdir(parents=True)
    (home / "keys.json").write_text(json.dumps({"a": {"key": CANARY}, "b": {"key": "x-1", "origin": "b.example:8000"}}))
    store = KeyStore()
    assert (store.get("a"), store.get("b", "http://b.example:8000/v1"), store.get("b", "http://c.example")) == (
        CANARY, "x-1", None,
    )  # fmt: skip
