"""Keys: found in their order, given to their own address alone, changed from one request to the next, never shown."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from modelhub.errors import BadRequest, ProviderError
from modelhub.kernels.providers import records
from modelhub.kernels.providers.keys.key_auth import Found
from modelhub.kernels.providers.keys.keys import Keys
from modelhub.kernels.providers.providers import Providers

ONE, TWO, THREE = "sk-canary-one-0123456789", "sk-canary-two-0123456789", "sk-canary-three-0123456789"


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the machine's own environment counts, and its keyring is not asked."""
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    for provider in records.packaged().values():
        for name in (*provider.key_env, *provider.url_env):
            monkeypatch.delenv(name, raising=False)


def kernel() -> Providers:
    """The providers of one kernel, which fetch no lists when a key changes."""
    made = Providers()
    made.keys.on_change.clear()
    return made


@pytest.fixture
def providers(home: Path) -> Providers:
    return kernel()


@pytest.fixture
def keys(providers: Providers) -> Keys:
    return providers.keys


def taken(found: Found) -> tuple[str | None, str]:
    return found.secret.reveal() if found.secret else None, found.source


def test_the_order(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is given to the call comes first, then this session, the environment, the file; else there is none."""
    assert taken(keys.find("openai")) == (None, "")
    keys.set("openai", ONE)
    assert taken(keys.find("openai")) == (ONE, "file")
    monkeypatch.setenv("OPENAI_API_KEY", TWO)
    assert taken(keys.find("openai")) == (TWO, "environment")
    keys.set("openai", THREE, session=True)
    assert taken(keys.find("openai")) == (THREE, "session")
    assert taken(keys.find("openai", key="sk-given-9876543210")) == ("sk-given-9876543210", "argument")
    assert taken(kernel().keys.find("openai")) == (TWO, "environment"), "a session's key is another kernel's not"


def test_the_first_variable_that_is_set_counts(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several variables the record's first comes first; blanks around a value are no part of the key."""
    monkeypatch.setenv("GOOGLE_API_KEY", TWO)
    assert taken(keys.find("gemini")) == (TWO, "environment")
    monkeypatch.setenv("GEMINI_API_KEY", f" {ONE}\n")
    assert taken(keys.find("gemini")) == (ONE, "environment")
    monkeypatch.setenv("GEMINI_API_KEY", "  ")
    assert taken(keys.find("gemini")) == (TWO, "environment")


def test_a_change_holds_for_the_next_request(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is set, chosen, removed, or changed in the environment or by another kernel, counts at once."""
    told: list[str] = []
    keys.on_change.append(told.append)
    keys.set("openai", ONE)
    keys.set("openai", TWO, session=True)
    assert keys.auth("openai").value() == f"Bearer {TWO}"
    kernel().keys.set("openai", THREE)
    assert keys.remove("openai", "default") and not keys.auth("openai", needed=False)
    kernel().keys.set("openai", THREE)
    assert keys.auth("openai").value() == f"Bearer {THREE}"
    monkeypatch.setenv("OPENAI_API_KEY", ONE)
    assert keys.auth("openai").value() == f"Bearer {ONE}"
    assert told == ["openai"] * 3


def test_a_key_that_is_set_takes_the_place_of_the_one_before(keys: Keys) -> None:
    """A key for good takes the place of a session's, so that it is not shadowed by an older one."""
    keys.set("openai", ONE, session=True)
    keys.set("openai", TWO)
    assert taken(keys.find("openai")) == (TWO, "file")


def test_several_keys_of_one_provider(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys have names; one is chosen for good, or asked for by one call, and a chosen one comes before all others."""
    keys.set("openai", ONE)
    keys.set("openai", TWO, name="work")
    monkeypatch.setenv("OPENAI_API_KEY", THREE)
    assert taken(keys.find("openai", "work")) == (TWO, "file")
    assert taken(keys.find("openai")) == (THREE, "environment")
    keys.use("openai", "work")
    assert taken(kernel().keys.find("openai")) == (TWO, "file"), "for later kernels, too"
    keys.use("openai", "default")
    assert taken(keys.find("openai")) == (ONE, "file")
    keys.use("openai", None)
    assert taken(keys.find("openai")) == (THREE, "environment")
    with pytest.raises(BadRequest, match=r"has no key that is called 'wrok'\. Did you mean 'work'\?"):
        keys.use("openai", "wrok")
    with pytest.raises(ProviderError, match="has no key that is called 'home'") as missing:
        keys.auth("openai", "home")
    assert missing.value.kind == "auth"


def test_the_only_key_needs_no_name(keys: Keys) -> None:
    """One that has a name and no others beside it is taken unasked."""
    keys.set("openai", TWO, name="work", session=True)
    assert keys.find("openai").name == "work"


def test_a_key_is_for_its_address(providers: Providers, monkeypatch: pytest.MonkeyPatch) -> None:
    """No key goes to another scheme, host or port than its own, from wherever it is; the error says what to type."""
    keys = providers.keys
    monkeypatch.setenv("OPENAI_API_KEY", ONE)
    keys.set("openai", TWO)
    keys.set("openai", THREE, name="mine", session=True)
    for url in ("https://llm.evil.example/v1", "https://api.openai.com:8443/v1", "https://api.openai.com.evil.example"):
        provider = providers.edit("openai", base_url=url)
        for name in (None, "default", "mine", "$OPENAI_API_KEY"):
            assert taken(keys.find(provider, name)) == (None, "")
        with pytest.raises(
            ProviderError, match=r"is for https://api\.openai\.com, and openai is at https://"
        ) as refused:
            keys.auth("openai")
        assert (refused.value.kind, refused.value.provider) == ("auth", "openai")
        assert "%models keys set openai asks for one that is" in str(refused.value)
    keys.set("openai", "sk-canary-four-0123456789")
    assert taken(keys.find("openai")) == ("sk-canary-four-0123456789", "file")
    providers.remove("openai")
    assert taken(keys.find("openai")) == (ONE, "environment")


def test_a_record_that_was_changed_in_python_has_no_key_of_the_environment(
    keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A packaged record with another address, however it was made, does not take its variable along."""
    monkeypatch.setenv("OPENAI_API_KEY", ONE)
    changed = records.packaged()["openai"].model_copy(update={"base_url": "https://llm.evil.example/v1"})
    assert taken(keys.find(changed)) == (None, "")


def test_an_address_of_the_environment_is_the_providers_own(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who sets OPENAI_BASE_URL and OPENAI_API_KEY has set both for one another; a kept key stays where it was for."""
    monkeypatch.setenv("OPENAI_BASE_URL", "https://proxy.example/v1")
    keys.set("anthropic", TWO)
    monkeypatch.setenv("OPENAI_API_KEY", ONE)
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "https://proxy.example")
    assert keys.auth("openai").value() == f"Bearer {ONE}"
    assert taken(keys.find("anthropic")) == (None, "")


def test_an_own_provider_takes_the_variable_it_was_given(providers: Providers, monkeypatch: pytest.MonkeyPatch) -> None:
    """key_env of an added provider is looked at; that of the record it is like is not."""
    monkeypatch.setenv("OPENAI_API_KEY", ONE)
    monkeypatch.setenv("CORP_KEY", TWO)
    providers.add("corp", base_url="https://llm.corp.example/v1", key_env=["CORP_KEY"])
    providers.add("other", base_url="https://other.example/v1", dialect="openai")
    assert taken(providers.keys.find("corp")) == (TWO, "environment")
    assert taken(providers.keys.find("other")) == (None, "")


def test_plain_http_carries_no_key(providers: Providers) -> None:
    """Over http to another machine a key is not sent, unless the provider allows it; to this one it is."""
    corp = providers.add("corp", base_url="http://llm.corp.example/v1", allow_http=True, key=ONE)
    assert providers.keys.auth(corp).value() == f"Bearer {ONE}"
    with pytest.raises(ProviderError, match=r"plain http.*%models provider edit corp --allow-http"):
        providers.keys.auth(corp.model_copy(update={"allow_http": False}))
    for host in ("localhost:8000", "127.0.0.1:8000", "[::1]:8000"):
        here = providers.add("here", base_url=f"http://{host}/v1", key=ONE)
        assert providers.keys.auth(here).value() == f"Bearer {ONE}"


def test_a_missing_key_says_where_it_was_looked_for(providers: Providers) -> None:
    """The error of a provider that needs a key names the places, the command and where keys are made."""
    with pytest.raises(ProviderError) as missing:
        providers.keys.auth("openai")
    assert missing.value.kind == "auth" and not missing.value.retryable and missing.value.status is None
    said = str(missing.value)
    assert said.startswith("openai needs a key and none was found (looked in: this session, $OPENAI_API_KEY, ")
    assert said.endswith("keys.json): %models keys set openai asks for it; keys are made at "
                         "https://platform.openai.com/api-keys")  # fmt: skip
    assert not providers.keys.auth("ollama"), "it needs none"


def test_the_header_is_the_providers(providers: Providers) -> None:
    """Each provider's key goes into its own header, with its own word before it; headers() gives the same."""
    for name, header, value in (
        ("openai", "Authorization", f"Bearer {ONE}"),
        ("anthropic", "x-api-key", ONE),
        ("gemini", "x-goog-api-key", ONE),
    ):
        providers.keys.set(name, ONE, session=True)
        auth = providers.keys.auth(name)
        assert (auth.header, auth.value(), bool(auth)) == (header, value, True)
        assert providers.keys.headers(name) == {header: value}
        assert "canary" not in repr(auth) + repr(providers.keys.find(name)) + repr(providers.keys) + str(auth)


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("", "a key is a text"), ("  ", "a key is a text"), ("sk-canary one", "blanks"), ("sk-canary\nx", "blanks"),
        ("sk-...", "a placeholder"), ("<your key>", "blanks"), ("your-api-key-here", "a placeholder"),
        ("sk-xxxxxxxxxxxx", "a placeholder"),
        ("'sk-canary-1'", "quotation"), ("Bearer sk-canary-1", "words before"), ("sk-canary-\x00-1", "characters"),
        ("sk-canäry-12345", "characters"), ("OPENAI_API_KEY=sk-canary-1", "the variable"),
        ("sk-canary" * 600, "longer"),
    ],
)  # fmt: skip
def test_what_can_be_no_key_is_refused(keys: Keys, home: Path, key: str, why: str) -> None:
    """What was pasted wrong is told of by what is wrong with it, without repeating it, and nothing is kept."""
    with pytest.raises(BadRequest, match=why) as refused:
        keys.set("openai", key)
    assert "canary" not in str(refused.value) and refused.value.__cause__ is None
    assert not (home / "keys.json").exists()


def test_a_broken_key_of_the_environment_is_told_of(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable with a line end in it would be an error of the HTTP client, which quotes it: ours does not."""
    monkeypatch.setenv("OPENAI_API_KEY", f"{ONE}\n{ONE}")
    with pytest.raises(ProviderError, match="was not sent") as refused:
        keys.auth("openai")
    assert "canary" not in str(refused.value)


def test_where_nobody_can_be_asked(home: Path) -> None:
    """Without a terminal nothing is read, where it would be seen: the answer is one line with what is to be set."""
    code = (
        "from modelhub.kernels.providers.providers import Providers; keys = Providers().keys\n"
        "try: keys.set('openai')\nexcept Exception as error: print(error)"
    )
    ran = subprocess.run([sys.executable, "-c", code], input=f"{ONE}\n", text=True, capture_output=True, timeout=60,
                         check=True, start_new_session=True)  # fmt: skip
    assert ran.stdout.startswith("this front end cannot ask for the key of openai unseen: set the environment variable")
    assert "OPENAI_API_KEY" in ran.stdout and "canary" not in ran.stdout + ran.stderr
    assert not (home / "keys.json").exists()


def test_removing_a_key(providers: Providers) -> None:
    """A key goes from every place it was kept in; a name's own key alone; a provider that is no more is no error."""
    keys = providers.keys
    keys.set("openai", ONE)
    keys.set("openai", TWO, name="work")
    assert keys.remove("openai", "work") == [str(keys.store.path)]
    assert taken(keys.find("openai")) == (ONE, "file")
    keys.set("openai", THREE, name="play", session=True)
    assert keys.remove("openai") == ["this session", str(keys.store.path)]
    assert taken(keys.find("openai")) == (None, "") and keys.remove("openai") == []
    providers.add("corp", base_url="https://corp.example/v1")
    keys.set("corp", ONE)
    providers.remove("corp")
    assert [row["provider"] for row in keys.orphans(providers.all())] == ["corp"]
    assert keys.remove("corp") == [str(keys.store.path)] and keys.orphans(providers.all()) == []


def test_rows_tell_which_key_is_sent(providers: Providers, monkeypatch: pytest.MonkeyPatch) -> None:
    """One row a key: where it is from, its last four letters, where it goes, and whether it is in use."""
    monkeypatch.setenv("OPENAI_API_KEY", ONE)
    providers.keys.set("openai", TWO.replace("9", "z"))
    providers.keys.set("groq", THREE)
    groq = providers.edit("groq", base_url="https://elsewhere.example/v1")
    rows = providers.keys.rows([providers.get("openai"), groq])
    columns = [(r["provider"], r["from"], r["ends with"], r["for"], r["state"]) for r in rows]
    assert columns == [
        ("openai", "the environment", "6789", "https://api.openai.com", "in use"),
        ("openai", "keys.json", "678z", "https://api.openai.com", "shadowed"),
        ("groq", "keys.json", "6789", "https://api.groq.com", "not sent"),
    ]
    assert "canary" not in str(rows)


def test_texts_with_the_users_keys_are_known(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every key there is, also one that was never sent, is scrubbed out of texts and refused in a question."""
    monkeypatch.setenv("MISTRAL_API_KEY", "0a1b2c3d4e5f60718293a4b5c6d7e8f9")
    kernel().keys.set("cohere", "kQ7wZ2pL9xV4bN6mR8tY1uI3oP5aS0dF")
    for key in ("0a1b2c3d4e5f60718293a4b5c6d7e8f9", "kQ7wZ2pL9xV4bN6mR8tY1uI3oP5aS0dF"):
        assert key not in keys.scrub(f"it is {key}, is it?")
        messages = [{"role": "user", "content": [{"type": "text", "text": f"is {key} right?"}]}]
        with pytest.raises(BadRequest, match="has a key of yours in it") as refused:
            keys.check_texts(messages, "groq/x")
        assert key not in str(refused.value)
    keys.check_texts([{"role": "user", "content": "is sk-canary-of-somebody-else-0123456789 a key?"}], "groq/x")
