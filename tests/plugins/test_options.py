"""Options of a plugin's model: what they accept, and the one line that says why they do not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, field_validator

import modelhub
from modelhub.errors import BadRequest
from modelhub.kernels.protocol.options import option_rows


class Foo(modelhub.Model):
    """The model of the document that asked for this (simonw/llm issue 53), with its validator."""

    id = "foo"

    class Options(modelhub.Options):
        id: str
        score: float
        keywords: list[str]

        @field_validator("keywords", mode="before")
        @classmethod
        def keywords_must_be_list(cls, v: Any) -> Any:
            if isinstance(v, str):
                try:
                    return json.loads(v)
                except json.JSONDecodeError:
                    raise ValueError("keywords must be a list or a JSON-encoded list") from None
            return v


class Sampler(modelhub.Model):
    """A model with options as a language model has them."""

    id = "sampler"

    class Options(modelhub.Options):
        temperature: float | None = Field(None, ge=0, le=5, description="how much it dares")
        suppress: list[str] = Field(default_factory=list)
        logit_bias: dict[int, float] | None = Field(None, description="by token id")
        mode: str = Field("calm", max_length=8)
        deep: dict[str, list[int]] = Field(default_factory=dict)


SEED = [
    ({"id": 1, "score": "3.4", "keywords": '["one", "two"]'}, "Options(id='1', score=3.4, keywords=['one', 'two'])"),
    ({"id": 1, "score": "3.4", "keywords": ["one", "two"]}, "Options(id='1', score=3.4, keywords=['one', 'two'])"),
    (
        {"id": 1, "score": "3.4", "keywords": ["one", "two", 3]},
        "Options(id='1', score=3.4, keywords=['one', 'two', '3'])",
    ),
]


def test_the_error_names_the_option() -> None:
    """`.param` is the name of the first option at fault, as with a field of a request."""
    with pytest.raises(BadRequest) as raised:
        Foo().options(id="1", score="much", keywords=[])
    assert raised.value.param == "score"


@pytest.mark.parametrize(("given_", "shown"), SEED)
def test_the_three_that_are_accepted(given_: dict[str, Any], shown: str) -> None:
    """The first three examples of the document print what they print there, also from a list of pairs."""
    assert repr(Foo().validate_options(given_)) == shown
    assert repr(Foo().validate_options(list(given_.items()))) == shown
    assert repr(Foo().options(**given_)) == shown


def test_the_one_that_is_refused() -> None:
    """Its fourth example is refused, with the place inside the list."""
    with pytest.raises(BadRequest) as refused:
        Foo().validate_options({"id": 1, "score": "3.4", "keywords": ["one", "two", {"one"}]})
    assert str(refused.value) == "foo: option keywords[2]: should be a valid string; got {'one'}"


def test_the_one_without_a_method() -> None:
    """Its fifth example makes the options directly."""
    made = Foo.Options(**{"id": 1, "score": "3.4", "keywords": ["one", "two", 3]})
    assert repr(made) == "Options(id='1', score=3.4, keywords=['one', 'two', '3'])"


LINES = {
    "a misspelt name": (
        {"temprature": 0.3},
        "sampler: unknown option 'temprature'. Did you mean 'temperature'? "
        "Its options are temperature, suppress, logit_bias, mode, deep",
    ),
    "one of three misspelt": (
        {"suppress": ["a", "b"], "supress": "c"},
        "sampler: unknown option 'supress'. Did you mean 'suppress'?",
    ),
    "a value out of range": ({"temperature": 7}, "sampler: option temperature: should be a number, 0 to 5; got 7"),
    "a value of another type": ({"temperature": "hot"}, "option temperature: should be a number, 0 to 5; got 'hot'"),
    "a text that is too long": (
        {"mode": "very, very calm"},
        "sampler: option mode: should be text, at most 8 long; got 'very, very calm'",
    ),
    "a list that breaks off": (
        {"suppress": '["time", " time"'},
        'sampler: option suppress: should be a list of text; got \'["time", " time"\', which is no JSON: '
        "Expecting ',' delimiter: line 1 column 17 (char 16)",
    ),
    "a bias of no number": (
        {"logit_bias": {2435: "much"}},
        "sampler: option logit_bias[2435]: should be a valid number, unable to parse string as a number; got 'much'",
    ),
    "deep inside": ({"deep": {"a": [1, "x"]}}, "sampler: option deep.a[1]: should be a valid integer"),
    "two at once": (
        {"temperature": 7, "mode": 123456789},
        "; option mode: should be text, at most 8 long; got 123456789",
    ),
}


@pytest.mark.parametrize("what", LINES)
def test_what_is_refused_is_one_line(what: str) -> None:
    """The line names option, value, what was expected and the nearest name; nested places as they are typed."""
    given_, said = LINES[what]
    with pytest.raises(BadRequest) as refused:
        Sampler().validate_options(given_)
    assert said in str(refused.value) and "\n" not in str(refused.value)


def test_what_must_be_given() -> None:
    """Options without a default are asked for by name and type."""
    with pytest.raises(BadRequest, match=r"foo: option id must be given: text; option score must be given: a number"):
        Foo().options()


@pytest.mark.parametrize(
    "written",
    [
        "{2435:-100, 640:-100}",
        '{"2435": -100, "640": -100}',
        "2435:-100,640:-100",
        " 2435 : -100 , 640 : -100 ",
        {2435: -100, 640: -100},
        {"2435": "-100", "640": "-100"},
    ],
)
def test_biases_as_they_are_written(written: Any) -> None:
    """A dict may be given as it is, as JSON, as a Python literal (the document's own form) or as bare pairs."""
    assert Sampler().options(logit_bias=written).logit_bias == {2435: -100.0, 640: -100.0}


def test_biases_keep_their_fraction() -> None:
    """A bias of -0.5 stays one."""
    assert Sampler().options(logit_bias="{2435:-0.5}").logit_bias == {2435: -0.5}


@pytest.mark.parametrize("written", ['["time", " time"]', "['time', ' time']", "('time', ' time')"])
def test_lists_as_they_are_written(written: str) -> None:
    """A list may be given as JSON or as a Python literal."""
    assert Sampler().options(suppress=written).suppress == ["time", " time"]


def test_the_rows_of_the_help() -> None:
    """Every option has its type, range, default and description."""
    rows = {row["option"]: row for row in option_rows(Sampler.Options)}
    assert rows["temperature"] == {
        "option": "temperature", "type": "a number", "range": "0 to 5", "default": None, "required": False,
        "description": "how much it dares",
    }  # fmt: skip
    assert rows["logit_bias"]["type"] == "a dict of whole numbers to numbers"
    assert {row["option"]: row["required"] for row in option_rows(Foo.Options)} == dict.fromkeys(
        ("id", "score", "keywords"), True
    )


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.dictionaries(
        st.sampled_from([*Sampler.Options.model_fields, "supress", "x", ""]) | st.text(max_size=4),
        json_values,
        max_size=3,
    )
)
def test_an_invalid_option_never_gets_through(given_: Mapping[str, Any]) -> None:
    """Whatever is given is options of the declared types, or one clear line."""
    try:
        made = Sampler().validate_options(given_)
    except BadRequest as refused:
        assert "\n" not in str(refused)
        return
    assert set(given_) <= set(Sampler.Options.model_fields)
    assert made.temperature is None or 0 <= made.temperature <= 5
    assert isinstance(made.mode, str) and all(isinstance(s, str) for s in made.suppress)
    assert all(isinstance(k, int) and isinstance(v, float) for k, v in (made.logit_bias or {}).items())
    assert all(isinstance(n, int) for ns in made.deep.values() for n in ns)
