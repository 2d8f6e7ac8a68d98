"""What a provider is told beside its address: settings over those of its record, and what is no field."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from modelhub.errors import BadRequest
from modelhub.kernels.providers.providers import Providers
from tests.providers.talk import call


@pytest.fixture
def providers() -> Providers:
    """The providers of a home of their own."""
    return Providers()


def test_settings_go_over_those_it_has(providers: Providers) -> None:
    """One setting changes one: what the record says stays, as does what was said before; None leaves one out."""
    made = providers.add("mine", base_url="https://example.com", dialect="openrouter", settings={"tries": 1})
    assert made.settings == {"prices": "token", "tries": 1}
    assert providers.edit("mine", settings={"line_mib": 3}).settings == {"prices": "token", "tries": 1, "line_mib": 3}
    assert providers.edit("mine", settings={"prices": None, "tries": None}).settings == {"line_mib": 3}
    assert Providers().get("mine").settings == {"line_mib": 3}
    assert providers.edit("mine", settings=None).settings == {"prices": "token"}
    assert providers.edit("openrouter", settings={"tries": 1}).settings == {"prices": "token", "tries": 1}


def test_the_environment_says_azures_version(providers: Providers, monkeypatch: pytest.MonkeyPatch) -> None:
    """OPENAI_API_VERSION holds for azure, as in OpenAI's SDK; what its user says comes first, for an instance alone."""
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://r.openai.azure.com")
    assert "deployments" not in call("azure", model="dep").url
    monkeypatch.setenv("OPENAI_API_VERSION", "2024-10-21")
    assert call("azure", model="dep").url.endswith("/openai/deployments/dep/chat/completions?api-version=2024-10-21")
    assert providers.edit("azure", settings={"api_version": ""}).settings == {"api_version": ""}
    assert call("azure", model="dep").url == "https://r.openai.azure.com/openai/v1/chat/completions"
    eu = providers.add("eu", base_url="https://eu.openai.azure.com", dialect="azure")
    assert "api_version" not in eu.settings and "api_version" not in providers.get("openai").settings


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("settings", "x", "settings is wrong"),
        ("key_env", 3, "key_env is wrong"),
        ("hide", {"a": 1}, "hide is wrong"),
        ("fields", {"sed": {"status": "rejected"}}, "no field 'sed'. Did you mean 'seed'"),
        ("fields", {"seed": {"statuss": "rejected"}}, "what becomes of seed may be said by status"),
        ("fields", {"seed": {"status": "maybe"}}, "the status of seed is one of"),
        ("models", 3, "models is wrong"),
        ("first", -1, "first is wrong"),
    ],
)
def test_fields_that_are_refused(providers: Providers, home: Path, field: str, value: Any, says: str) -> None:
    """What a provider cannot be told is one line when it is said, not an error when it is asked."""
    with pytest.raises(BadRequest) as wrong:
        providers.add("corp", base_url="https://example.com", **{field: value})
    assert says in str(wrong.value) and not (home / "providers.json").exists()
