"""Adding, changing and leaving providers: what is kept, what is refused, and whose keys go where."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modelhub.errors import BadRequest, ProviderError
from modelhub.kernels.hub import Hub
from modelhub.kernels.providers.providers import Providers
from tests.kernel import Kernel
from tests.plugins.packages import install, on_path

KEY = "canary-0123456789-abcdef"


@pytest.fixture
def providers() -> Providers:
    """The providers of a home of their own."""
    return Providers()


def kept(home: Path) -> Any:
    """What is written down."""
    return json.loads((home / "providers.json").read_text("utf-8"))


def test_they_are_shown_in_a_line(providers: Providers) -> None:
    """In a cell the providers are their names, and one is what was said of it, without what holds for all."""
    corp = providers.add("corp", base_url="https://example.com", idle=9)
    assert repr(providers).startswith("<Providers: corp, openai, ") and providers.get("corp") == corp
    assert repr(corp) == (
        "Provider(name='corp', like='openai', base_url='https://example.com/v1', idle=9.0, source='yours')"
    )


@pytest.mark.parametrize(
    ("typed", "dialect", "found"),
    [
        ("https://example.com/v1", None, "https://example.com/v1"),
        ("https://example.com/v1/", None, "https://example.com/v1"),
        ("https://example.com", None, "https://example.com/v1"),
        ("example.com", None, "https://example.com/v1"),
        ("localhost:8000", None, "http://localhost:8000/v1"),
        (":8000", None, "http://localhost:8000/v1"),
        ("gpu-box:8000/v1", None, "http://gpu-box:8000/v1"),
        ("http://0.0.0.0:8000/v1", None, "http://127.0.0.1:8000/v1"),
        ("http://[::1]:8000/v1", None, "http://[::1]:8000/v1"),
        ("HTTPS://Example.COM:443/v1//chat/completions", None, "https://example.com/v1"),
        ("https://example.com/v1/models", None, "https://example.com/v1"),
        ("https://example.com/team/v1/chat/completions/", None, "https://example.com/team/v1"),
        ("https://example.com", "groq", "https://example.com/openai/v1"),
        ("https://example.com", "deepseek", "https://example.com"),
        ("https://example.com/v1/messages", "anthropic", "https://example.com"),
        ("https://example.com/v1", "anthropic", "https://example.com"),
        ("https://example.com/v1beta/models", "gemini", "https://example.com/v1beta"),
        ("https://example.com/v2/chat", "cohere", "https://example.com"),
        ("0.0.0.0", "ollama", "http://127.0.0.1:11434"),
        ("gpu-box", "ollama", "http://gpu-box:11434"),
        (":8080", "ollama", "http://localhost:8080"),
        ("https://ollama.example.com", "ollama", "https://ollama.example.com"),
        ("http://localhost:11434/api/chat", "ollama", "http://localhost:11434"),
        ("https://r.openai.azure.com", "azure", "https://r.openai.azure.com/openai/v1"),
    ],
)
def test_addresses_as_they_are_typed(providers: Providers, typed: str, dialect: str | None, found: str) -> None:
    """A scheme and a path are added where they lack; what was pasted of a call is cut off."""
    assert providers.add("corp", base_url=typed, dialect=dialect).base_url == found
    assert providers.get("corp").base_url == found


def test_an_address_of_an_azure_deployment_is_understood(providers: Providers) -> None:
    """The address of a deployment gives the resource and, from its query, the version of the API."""
    typed = "https://r.openai.azure.com/openai/deployments/gpt/chat/completions?api-version=2024-10-21"
    made = providers.add("az", base_url=typed, dialect="azure")
    assert made.base_url == "https://r.openai.azure.com/openai" and made.settings == {"api_version": "2024-10-21"}


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("https://me:pass@example.com/v1", "no name and no password"),
        ("https://example.com/v1?key=abc", "ends with its path"),
        ("https://example.com/v1#x", "ends with its path"),
        ("ftp://example.com", "must be an address"),
        ("file:///etc/hosts", "must be an address"),
        ("https://", "must be an address"),
        ("https://exa mple.com", "must be an address"),
        ("https://example.com:99999/v1", "must be an address"),
        ("https://exam_ple..com", "must be an address"),
        ("", "must be an address"),
        ("http://example.com/v1", "plain http"),
        ("http://93.184.216.34/v1", "plain http"),
    ],
)
def test_addresses_that_are_refused(providers: Providers, home: Path, typed: str, says: str) -> None:
    """What is no address, holds a secret or is plain http to strangers is refused in a line, and nothing is kept."""
    with pytest.raises(BadRequest, match=says) as wrong:
        providers.add("corp", base_url=typed)
    assert wrong.value.param == "base_url" and "pass" not in str(wrong.value).replace("password", "")
    assert "abc" not in str(wrong.value) and not (home / "providers.json").exists()


def test_plain_http_near_by_goes_without_a_key(providers: Providers) -> None:
    """A server of the network near by may be asked over http without a key; with one it must be said, or https."""
    assert not providers.add("near", base_url="http://10.0.0.5:8000").needs_key
    with pytest.raises(BadRequest, match="--allow-http"):
        providers.add("near", base_url="http://10.0.0.5:8000", key=KEY)
    assert providers.add("near", base_url="http://10.0.0.5:8000", key=KEY, allow_http=True).needs_key
    assert providers.add("far", base_url="http://example.com", allow_http=True).base_url == "http://example.com/v1"


@pytest.mark.parametrize(
    ("url", "key", "needs"),
    [
        ("http://localhost:1", None, False),
        ("http://localhost:1", KEY, True),
        ("gpu-box:8000", None, False),
        ("https://192.168.1.2", None, False),
        ("https://vllm.corp", None, False),
        ("https://example.com", None, True),
    ],
)
def test_whether_a_key_is_wanted_where_nobody_says(
    providers: Providers, url: str, key: str | None, needs: bool
) -> None:
    """Servers of a private network want none unless one is given; others want one; saying so settles it."""
    assert providers.add("corp", base_url=url, key=key).needs_key == needs
    assert providers.add("corp", base_url="https://example.com", needs_key=False).needs_key is False


@pytest.mark.parametrize("name", ["Corp", "a b", "-x", "../x", "a/b", "", "x" * 65, "local", "a..b", "kö", "all"])
def test_names_that_are_refused(providers: Providers, name: str) -> None:
    """A name is one that can be typed before a slash, and is no path."""
    with pytest.raises(BadRequest, match=r"name of a provider|not free"):
        providers.add(name, base_url="https://example.com")


def test_near_names_are_told(providers: Providers) -> None:
    """A provider there is not gives the nearest; a dialect and a field likewise."""
    with pytest.raises(BadRequest, match="Did you mean 'openai'"):
        providers.get("opnai")
    with pytest.raises(BadRequest, match="Did you mean 'anthropic'"):
        providers.add("c", base_url="https://example.com", dialect="antropic")
    with pytest.raises(BadRequest, match="Did you mean 'first'"):
        providers.add("c", base_url="https://example.com", frist=3)
    with pytest.raises(BadRequest, match="first is wrong"):
        providers.add("c", base_url="https://example.com", first=-1)
    with pytest.raises(BadRequest, match="base_url is missing"):
        providers.add("c")
    with pytest.raises(BadRequest, match="file of certificates"):
        providers.add("c", base_url="https://example.com", ca="/nowhere/ca.pem")


def test_what_is_added_is_there_for_other_kernels(providers: Providers, home: Path) -> None:
    """A provider is kept with what was said of it and no more, and another kernel has it."""
    made = providers.add("corp", base_url="https://example.com", dialect="groq", headers={"X-Team": "blue"}, first=30)
    again = Providers().get("corp")
    assert again == made and again.like == "groq" and again.first == 30 and again.headers == {"X-Team": "blue"}
    assert kept(home)["schema_version"] == 1
    assert set(kept(home)["providers"]["corp"]) == {"base_url", "dialect", "like", "headers", "first", "needs_key"}
    assert next(iter(providers.all())) == "corp"


def test_adding_it_again_changes_it(providers: Providers) -> None:
    """The same cell may run twice: the second one counts, and nothing of the first is left."""
    providers.add("corp", base_url="https://example.com", first=30)
    assert providers.add("corp", base_url="https://example.org").first == 600


def test_an_instance_takes_rules_and_no_keys_of_what_it_is_like(
    providers: Providers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Like groq: its dialect and header come along; its environment key and its address's key do not."""
    monkeypatch.setenv("GROQ_API_KEY", KEY)
    mine = providers.add("mine", base_url="https://example.com", dialect="groq")
    assert mine.record == "groq" and mine.key_env == () and providers.keys.find(mine).secret is None
    assert providers.add("two", dialect="groq").base_url == providers.get("groq").base_url
    assert providers.keys.find("two").secret is None and providers.keys.find("groq").secret is not None


def test_a_key_is_never_in_the_file(providers: Providers, home: Path) -> None:
    """What is given as a key, or looks like one among the headers, goes where keys are kept, and in its own header."""
    providers.add("a", base_url="https://example.com", key=KEY)
    made = providers.add("b", base_url="https://example.com", headers={"X-Api-Key": KEY, "X-Team": "blue"})
    auth = providers.add("c", base_url="https://example.com", headers={"Authorization": f"Token {KEY}"})
    assert KEY not in (home / "providers.json").read_text("utf-8") and KEY not in repr(providers.all())
    assert (made.key_header, made.key_scheme, made.headers) == ("X-Api-Key", "", {"X-Team": "blue"})
    assert (auth.key_header, auth.key_scheme) == ("Authorization", "Token")
    for name in "abc":
        found = providers.keys.find(name).secret
        assert found is not None and found.reveal() == KEY
    with pytest.raises(BadRequest, match="one already"):
        providers.add("d", base_url="https://example.com", key=KEY, headers={"X-Api-Key": KEY})


@pytest.mark.parametrize(
    "headers", [{"Host": "x"}, {"X-A": "a\r\nX-B: b"}, {"a b": "c"}, {"X-A": "é"}, {"X-A": 3}, ["x"]]
)
def test_headers_that_are_refused(providers: Providers, headers: Any) -> None:
    """A header that would change whom is spoken to, or cannot be sent, is refused."""
    with pytest.raises(BadRequest, match="header"):
        providers.add("corp", base_url="https://example.com", headers=headers)


def test_a_packaged_one_at_another_address_has_no_key_of_its_own(
    providers: Providers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """openai at a proxy does not get OPENAI_API_KEY, unless that is said; removed, it is as it came."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert providers.keys.find("openai").secret is not None
    moved = providers.edit("openai", base_url="https://proxy.example.com")
    assert moved.base_url == "https://proxy.example.com/v1" and providers.keys.find("openai").secret is None
    providers.edit("openai", key_env="OPENAI_API_KEY")
    assert providers.keys.find("openai").secret is not None
    assert providers.remove("openai") is False
    assert providers.get("openai").base_url == "https://api.openai.com/v1"
    assert providers.keys.find("openai").secret is not None


def test_the_environment_says_where_a_packaged_one_is(providers: Providers, monkeypatch: pytest.MonkeyPatch) -> None:
    """OPENAI_BASE_URL moves openai, with its key; a bad one is a problem, and then nothing is sent anywhere."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", "https://proxy.example.com/v1/")
    assert providers.get("openai").base_url == "https://proxy.example.com/v1"
    assert providers.keys.find("openai").secret is not None
    monkeypatch.setenv("OPENAI_BASE_URL", "http://proxy.example.com/v1")
    assert providers.get("openai").base_url == "" and "OPENAI_BASE_URL" in providers.problems[0]
    with pytest.raises(BadRequest, match="has no address"):
        providers.target("openai", "x")
    monkeypatch.delenv("OPENAI_BASE_URL")
    assert providers.get("openai").base_url == "https://api.openai.com/v1" and providers.problems == []


def test_azure_has_no_address_until_its_user_says_one(providers: Providers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking azure says how to give its address; at an Azure address it has the key of its variable."""
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)
    with pytest.raises(BadRequest, match="provider edit azure --base-url https://RESOURCE"):
        providers.target("azure", "gpt")
    providers.edit("azure", base_url="https://r.openai.azure.com")
    assert providers.keys.find("azure").secret is not None
    providers.edit("azure", base_url="https://r.example.com")
    assert providers.keys.find("azure").secret is None


def test_changing_sets_back_and_keeps_the_rest(providers: Providers) -> None:
    """`edit` changes what is said, None sets it back, and a new address asks anew whether a key is wanted."""
    providers.add("corp", base_url="http://localhost:1", first=30, idle=5)
    assert providers.edit("corp", first=None).first == 600 and providers.get("corp").idle == 5
    assert providers.edit("corp", base_url="https://example.com").needs_key
    assert providers.edit("corp", dialect="anthropic").key_header == "x-api-key"


def test_disabled_is_not_listed_and_can_be_asked(providers: Providers) -> None:
    """Disabling keeps all that is known; enabling brings it back."""
    providers.disable("openai")
    assert Providers().get("openai").enabled is False
    assert providers.target("openai", "x").provider.base_url == "https://api.openai.com/v1"
    assert providers.enable("openai").enabled is True


def test_removing(providers: Providers) -> None:
    """What was added is gone, for the file and for names; what comes with modelhub cannot go."""
    providers.add("corp", base_url="https://example.com")
    assert providers.remove("corp") is True and "corp" not in Providers().all()
    with pytest.raises(BadRequest, match="no provider 'corp'"):
        providers.remove("corp")
    with pytest.raises(BadRequest, match="provider disable openai"):
        providers.remove("openai")


def test_the_name_of_a_packaged_one(providers: Providers) -> None:
    """Adding under a packaged name changes that one; for a second one with other ways another name is asked for."""
    made = providers.add("vllm", base_url="gpu-box:8000")
    assert made.base_url == "http://gpu-box:8000/v1" and made.title == "vLLM"
    with pytest.raises(BadRequest, match="another name"):
        providers.add("vllm", base_url="gpu-box:8000", dialect="anthropic")


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"base_url": "nonsense://x"}, "must be an address"),
        ({"base_url": "https://example.com", "spin": 1}, "no spin"),
        ({"base_url": "https://example.com", "first": "soon"}, "first is wrong"),
        ({"base_url": "https://example.com", "like": "gone"}, "made after"),
        ({"base_url": "https://example.com", "dialect": "klingon"}, "no dialect"),
        ({}, "base_url is missing"),
        (["x"], "must be an object"),
    ],
)
def test_a_bad_row_is_a_problem_and_no_more(hub: Hub, home: Path, row: Any, says: str) -> None:
    """A row somebody broke is a line among the problems; every other provider is there, and asking it tells why."""
    home.mkdir(exist_ok=True)
    rows = {"bad": row, "good": {"base_url": "https://example.com/v1", "like": "openai"}}
    (home / "providers.json").write_text(json.dumps({"schema_version": 1, "providers": rows}))
    assert "good" in hub.providers.all() and "openai" in hub.providers.all() and "bad" not in hub.providers.all()
    [problem] = hub.providers.problems
    assert problem.startswith("bad: ") and says in problem
    hub.catalog.cards()
    assert problem in hub.catalog.problems
    with pytest.raises(BadRequest, match="bad: "):
        hub.providers.get("bad")


def test_a_broken_file_is_a_problem_and_is_not_written_over(providers: Providers, home: Path) -> None:
    """Packaged providers stay; adding says that the file is broken, and leaves it as it is."""
    home.mkdir(exist_ok=True)
    (home / "providers.json").write_text("{ broken")
    assert "openai" in providers.all() and "cannot be read" in providers.problems[0]
    with pytest.raises(Exception, match="mend it or remove it"):
        providers.add("corp", base_url="https://example.com")
    assert (home / "providers.json").read_text() == "{ broken"


def test_nothing_is_read_again_that_did_not_change(providers: Providers) -> None:
    """`all` gives the same providers until the file, the environment or the plugins change."""
    providers.add("corp", base_url="https://example.com")
    assert all(a is b for a, b in zip(providers.all().values(), providers.all().values(), strict=True))
    Providers().add("more", base_url="https://example.com")
    assert "more" in providers.all()


PLUGIN = """
import modelhub

@modelhub.hookimpl
def register_providers(register):
    register({"name": "ours", "base_url": "https://llm.example.com", "title": "Ours", "models": ["big", "small"]})
    register({"name": "near", "base_url": "localhost:9", "dialect": "vllm"})
    register({"name": "openai", "base_url": "https://evil.example.com"})
    register({"name": "Odd", "base_url": "https://llm.example.com"})
    register({"name": "keyed", "base_url": "https://llm.example.com", "headers": {"Authorization": "Bearer abc"}})
    register({"name": "nowhere"})
"""


LOOK = """
from modelhub import hub
providers = hub().providers
assert {p.name for p in providers.all(wait=True).values() if p.source == "plugin"} == {"ours", "near"}
assert providers.get("ours").needs_key and not providers.get("near").needs_key
assert providers.get("near").like == "vllm" and providers.get("openai").base_url == "https://api.openai.com/v1"
told = sorted(p.partition(":")[0] for p in providers.problems)
assert told == ["Odd", "keyed", "nowhere", "openai"], providers.problems
assert providers.edit("ours", first=9).first == 9 and providers.remove("ours") is False
"""


def test_providers_of_plugins(start_kernel: Callable[..., Kernel], tmp_path: Path) -> None:
    """A plugin's provider is there as an added one; a bad one is a problem, and a taken name stays with its owner."""
    install(tmp_path / "site", "acme", PLUGIN)
    kernel = start_kernel(PYTHONPATH=on_path(tmp_path / "site"), MODELHUB_PLUGINS="acme")
    looked = kernel.run(LOOK)
    assert looked.ok, looked.error
    refused = kernel.run("%models provider remove near")
    assert not refused.ok and "comes with a plugin" in refused.error


def test_a_missing_key_is_an_error_with_what_to_type(hub: Hub) -> None:
    """Asking a provider whose key is missing sends nothing, and says how to set it."""
    hub.providers.add("corp", base_url="https://nowhere.invalid")
    with pytest.raises(ProviderError, match="%models keys set corp") as wrong:
        hub.chat("hi", model="corp/x").text()
    assert wrong.value.kind == "auth"
