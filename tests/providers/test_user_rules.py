"""The user's own rules for models: a right one holds, a wrong one is a line, and neither breaks a request."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelhub.kernels.providers.providers import Providers


@pytest.fixture
def providers() -> Providers:
    """The providers of a home of their own."""
    return Providers()


def write(home: Path, text: str) -> None:
    home.mkdir(exist_ok=True)
    (home / "provider_rules.toml").write_text(text)


GOOD = """
[[rule]]
provider = "corp"
model = "new-*"
fields = { "top_p|seed" = { status = "rejected", note = "it says so" } }
settings = { fast = true }
"""


def test_a_rule_of_ones_own(providers: Providers, home: Path) -> None:
    """It holds for the models it names, and is read anew when the file changes."""
    providers.add("corp", base_url="https://example.com")
    write(home, GOOD)
    new, old = providers.target("corp", "new-1"), providers.target("corp", "old-1")
    assert new.rules["top_p"].status == new.rules["seed"].status == "rejected" and new.settings["fast"] is True
    assert old.rules["top_p"].status == "honoured" and providers.problems == []
    write(home, GOOD.replace("new-*", "old-*"))
    assert providers.target("corp", "old-1").rules["top_p"].status == "rejected"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[rule", "cannot be read"),
        ('rule = "x"', "written as [[rule]]"),
        ('[[rule]]\nmodel = "x"', "needs a provider"),
        ('[[rule]]\nprovider = "corp"\nmodl = "x"', "Did you mean 'model'"),
        ('[[rule]]\nprovider = "corp"\nmodel = 3', "model is 3"),
        (
            '[[rule]]\nprovider = "corp"\nfields = { tmperature = { status = "rejected" } }',
            "Did you mean 'temperature'",
        ),
        ('[[rule]]\nprovider = "corp"\nfields = { seed = "rejected" }', "is a table"),
        ('[[rule]]\nprovider = "corp"\nfields = { seed = { status = "refused" } }', "one of honoured, no-op, rejected"),
        ('[[rule]]\nprovider = "corp"\nfields = { seed = { wired = "x" } }', "may be said by"),
    ],
)
def test_a_wrong_rule_is_left_out(providers: Providers, home: Path, text: str, says: str) -> None:
    """It is a line among the problems; a good rule beside it holds, and requests are made."""
    providers.add("corp", base_url="https://example.com")
    write(home, text if text in ("[[rule", 'rule = "x"') else text + GOOD)
    target = providers.target("corp", "new-1")
    [problem] = providers.problems
    assert says in problem and "provider_rules.toml" in problem
    assert target.rules["seed"].status == ("rejected" if text.startswith("[[rule]]") else "honoured")
