"""The pages of docs/ say what is true: their tables are the code's, the order of samplers is the one that runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from docs.tables import HERE, NOT_OF_A_SAMPLER, SAMPLERS, accepted, filled, tables
from modelhub.errors import BadRequest
from modelhub.kernels.hub import Hub
from modelhub.kernels.protocol.plan import DEFAULTS
from modelhub.kernels.protocol.request import ChatRequest
from modelhub.testing import check_model

ON = {
    "min_tokens": 1, "suppress": ["zebra"], "logit_bias_by_text": {"Blue": 1}, "frequency_penalty": 0.1,
    "dry_multiplier": 0.5, "top_n_sigma": 3, "top_k": 50, "typical_p": 0.99, "top_p": 0.9, "min_p": 0.01,
    "xtc_probability": 0.1, "temperature": 0.8,
}  # fmt: skip


def chain(hub: Hub, **options: object) -> list[str]:
    """The names of the samplers that ran, without their values."""
    response = hub.chat("Name a colour.", seed=1, max_tokens=2, **options)
    response.text()
    return [re.match(r"\w+?(?=_[12]\(|\(|$)", name)[0] for name in response.debug["sampling"]]  # type: ignore[index]  # each has a name


@pytest.mark.parametrize("name", tables())
def test_the_tables_are_the_codes(name: str) -> None:
    """Every table of a page is what the code says: `python -m docs.tables` writes them."""
    page = (HERE / name).read_text("utf-8")
    assert filled(name) == page, "type: python -m docs.tables"
    assert page.count("\n| `") > 5


def test_the_order_is_the_one_that_runs(hub: Hub) -> None:
    """With every sampler on, the chain that ran is the page's table from top to bottom."""
    names = [name for name, _ in SAMPLERS]
    assert chain(hub, **ON) == [n for n in names if n not in {"ignore_eos", "mirostat"}]


def test_what_stands_below_the_table(hub: Hub) -> None:
    """Greedy has what comes before the filters; mirostat takes the place of 7 to 12 and of the draw."""
    names = [name for name, _ in SAMPLERS]
    assert chain(hub, **{**ON, "temperature": 0}) == [*names[1:6], "greedy"]
    assert chain(hub, **ON, mirostat=2, ignore_eos=True) == ["ignore_eos", *names[2:6], "temperature", "mirostat"]


def test_every_sampling_field_is_in_the_table() -> None:
    """No field that a chain is made of is left out of the table, and none stands there twice."""
    fields = [field for _, fields in SAMPLERS for field in fields]
    assert sorted(fields) == sorted({*DEFAULTS, "seed"} - NOT_OF_A_SAMPLER)


@pytest.mark.parametrize(
    ("field", "said", "good", "bad"),
    [
        ("temperature", "0 to 2", [0, 2], [-0.1, 2.1]),
        ("mirostat_tau", "above 0 to 100", [0.1, 100], [0, 101]),
        ("top_k", "a whole number, 0 to 1,000,000", [0, 1_000_000], [-1, 1.5]),
        ("repeat_last_n", "a whole number, from -1", [-1, 9999], [-2]),
        ("mirostat", "0, 1 or 2", [0, 2], [3]),
        ("seed", "a whole number, 64 bits with a sign", [-(1 << 63), (1 << 63) - 1], [1 << 63]),
        ("ignore_eos", "true or false", [True], [2]),
        ("suppress", "up to 64 texts", [["a"] * 64], [["a"] * 65]),
    ],
)
def test_a_range_in_words_is_the_range(field: str, said: str, good: list[object], bad: list[object]) -> None:
    """What the table says of a field is what a request accepts."""
    assert accepted(field) == said
    for value in good:
        ChatRequest.make(model="m", messages=[{"role": "user", "content": "q"}], **{field: value})
    for value in bad:
        with pytest.raises(BadRequest):
            ChatRequest.make(model="m", messages=[{"role": "user", "content": "q"}], **{field: value})


@pytest.mark.parametrize("path", sorted(HERE.glob("*.md")), ids=lambda path: path.name)
def test_what_it_links_to_exists(path: Path) -> None:
    """Every file that a page points to, or names as a test, is there."""
    page = path.read_text("utf-8")
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", page):
        assert (HERE / target).exists(), target
    for target in re.findall(r"`((?:tests|notebooks)/[\w/.]+)`", page):
        assert (HERE.parent / target).exists(), target


def test_the_preset_of_the_page(hub: Hub, home: Path) -> None:
    """The preset that catalogue.md shows is one: asked by its name, it answers as it says."""
    page = (HERE / "catalogue.md").read_text("utf-8")
    (shown,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    (home / "presets").mkdir(parents=True)
    (home / "presets" / "shown.yaml").write_text(shown)
    response = hub.chat("What is the capital of France?", model="strict")
    assert response.text() == "The capital of France is Paris."
    assert response.debug["settings"]["top_k"] == [40, "preset strict"]
    assert response.debug["model"]["context"] == 512
    assert response.request.messages[0].text == "Answer in one sentence."
    hub.unload("strict")


def test_the_model_of_the_page(hub: Hub) -> None:
    """The model that plugins.md shows keeps to the contract, and answers once it is added."""
    (code,) = re.findall(r"```python\n(.*?)```", (HERE / "plugins.md").read_text("utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    model = names["Shout"]()
    check_model(model)
    hub.plugins.add(model, aliases=("loud",))
    try:
        assert hub.chat("good morning", model="loud", marks=2).text() == "GOOD MORNING !!"
    finally:
        assert hub.plugins.remove("notebook/shout")
