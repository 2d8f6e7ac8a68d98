"""Keys in a keyring: asked as seldom as can be, with a limit in time; without one everything goes on."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import keyring
import keyring.backend
import keyring.backends.fail
import pytest

from modelhub.errors import ProviderError, StoreFailed
from modelhub.kernels.providers.keys.keys import Keys
from modelhub.kernels.providers.providers import Providers

ONE, TWO = "sk-canary-one-0123456789", "sk-canary-two-0123456789"


class Held(keyring.backend.KeyringBackend):
    """A keyring in memory; it hangs while `gate` is not set."""

    priority = 1

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}
        self.asked = 0
        self.gate = threading.Event()
        self.gate.set()

    def get_password(self, service: str, username: str) -> str | None:
        self.asked += 1
        self.gate.wait(60)
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.gate.wait(60)
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]


@pytest.fixture
def held() -> Iterator[Held]:
    before, held = keyring.get_keyring(), Held()
    keyring.set_keyring(held)
    yield held
    held.gate.set()
    keyring.set_keyring(before)


@pytest.fixture
def keys(home: Path, held: Held, monkeypatch: pytest.MonkeyPatch) -> Keys:
    return fresh(monkeypatch)


def fresh(monkeypatch: pytest.MonkeyPatch) -> Keys:
    """The keys of one kernel, which fetches no lists when one changes."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    found = Providers().keys
    found.on_change.clear()
    return found


def test_a_key_in_the_keyring_is_in_no_file(
    keys: Keys, held: Held, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that is set there is found there, bound to its address, by this kernel and the next; keys.json names it."""
    keys.set("openai", ONE, where="keyring")
    keys.set("openai", TWO, where="keyring", name="work")
    for one in (keys, fresh(monkeypatch)):
        assert one.auth("openai").value() == f"Bearer {ONE}" and one.find("openai").source == "keyring"
        assert one.auth("openai", "work").value() == f"Bearer {TWO}"
    assert "canary" not in (home / "keys.json").read_text()
    assert json.loads(held.kept["modelhub", "openai"]) == {"key": ONE, "origin": "https://api.openai.com:443"}
    assert [row["from"] for row in keys.rows([Providers().get("openai")])] == ["the keyring"] * 2
    assert keys.remove("openai") == ["the keyring", str(home / "keys.json")] and not held.kept


def test_a_key_that_another_program_kept_is_found(keys: Keys, held: Held) -> None:
    """`keyring set modelhub openai` keeps a key alone: it is the provider's at its usual address."""
    held.kept["modelhub", "openai"] = ONE
    assert keys.find("openai").source == "keyring"


def test_the_keyring_comes_before_the_file(keys: Keys, held: Held) -> None:
    """A key of the keyring is taken before one of the file; one that is set for the file takes its place."""
    held.kept["modelhub", "openai"] = ONE
    keys.store.set("openai", TWO)
    assert keys.find("openai").source == "keyring"
    keys.set("openai", TWO)
    assert keys.find("openai").source == "file" and not held.kept


def test_a_key_for_another_address_stays_where_it_is(keys: Keys, held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address is kept beside the key and compared."""
    keys.set("openai", ONE, where="keyring")
    held.kept["modelhub", "openai"] = json.dumps({"key": ONE, "origin": "https://elsewhere.example:443"})
    keys = fresh(monkeypatch)
    with pytest.raises(ProviderError, match=r"the key in the keyring is for https://elsewhere\.example, and openai"):
        keys.auth("openai")


def test_it_is_asked_once_for_many_requests(keys: Keys, held: Held) -> None:
    """An answer holds for half a minute, also that there is no key; a change made here holds at once."""
    for _ in range(20):
        assert keys.find("openai").secret is None
    assert held.asked == 1
    keys.set("openai", ONE, where="keyring")
    assert keys.find("openai").source == "keyring" and keys.has("openai")


def test_whether_there_is_a_key_asks_nobody(keys: Keys, held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    """`has`, which lists and Tab need, never waits for a keyring."""
    keys.set("openai", ONE, where="keyring")
    other = fresh(monkeypatch)
    held.gate.clear()
    assert other.has("openai") and not other.has("groq") and held.asked == 0


def test_one_that_hangs_costs_its_limit_once(keys: Keys, held: Held) -> None:
    """A keyring that never answers is left after some seconds, is told of once, and is left alone then."""
    keys.keyring.patience = 0.05
    keys.store.set("openai", TWO, "https://api.openai.com:443")
    held.gate.clear()
    first, second = keys.auth("openai"), keys.auth("openai")
    assert first.value() == f"Bearer {TWO}"
    assert [w for w in first.warnings if "did not answer" in w] and second.warnings == ()
    assert keys.find("groq").secret is None and held.asked == 1
    assert any("did not answer" in problem for problem in keys.problems)
    with pytest.raises(StoreFailed, match=r"did not answer within .* type --file or --session"):
        keys.set("openai", ONE, where="keyring")


def test_a_loop_is_not_held_up(keys: Keys, held: Held) -> None:
    """While a keyring is asked for one request, the loop goes on with others."""
    import asyncio

    held.kept["modelhub", "openai"] = ONE
    held.gate.clear()

    async def both() -> str:
        asking = asyncio.create_task(keys.aauth("openai"))
        while not held.asked:
            await asyncio.sleep(0)
        held.gate.set()  # which nobody could do were the loop waiting
        return (await asking).value()

    assert asyncio.run(both()) == f"Bearer {ONE}"


def test_a_machine_without_a_keyring(keys: Keys) -> None:
    """Where the package finds none, keys are looked for elsewhere without a word; to keep one there is an error."""
    keyring.set_keyring(keyring.backends.fail.Keyring())
    keys.store.set("openai", TWO, "https://api.openai.com:443")
    assert keys.auth("openai").value() == f"Bearer {TWO}" and keys.problems == []
    with pytest.raises(StoreFailed, match="this machine has no keyring; type --file or --session"):
        keys.set("openai", ONE, where="keyring")


def test_without_the_package(home: Path) -> None:
    """Without the extra nothing of it is imported; to keep a key there says what to install."""
    code = """
import sys
sys.modules["keyring"] = None
import importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *a: None if name == "keyring" else find(name, *a)
from modelhub.kernels.providers.providers import Providers
keys = Providers().keys
keys.on_change.clear()
for do in (lambda: keys.auth("openai"), lambda: keys.set("openai", "sk-canary-0123456789", where="keyring")):
    try:
        do()
    except Exception as error:
        print(error)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    missing, install = ran.stdout.splitlines()
    assert "(looked in: this session, $OPENAI_API_KEY, keys.json)" in missing
    assert install.endswith("pip install 'jupyter-modelhub[keyring]'")


def test_what_comes_before_it_spares_asking(keys: Keys, held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key of the session or the environment is taken without a look into the keyring."""
    monkeypatch.setenv("OPENAI_API_KEY", ONE)
    assert keys.find("openai").source == "environment" and held.asked == 0
    keys.set("openai", TWO, session=True)
    assert keys.find("openai").source == "session" and held.asked == 0
