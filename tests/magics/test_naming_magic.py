"""`%models alias`, `default` and `prefer` in a real kernel, and values typed behind `-o`."""

from __future__ import annotations

from typing import Any

import pytest

from modelhub.errors import BadRequest
from modelhub.magics.chat import OPTIONS
from modelhub.magics.fields import fields_of
from modelhub.magics.options import parse
from tests.kernel import Kernel


def test_alias(room: Kernel) -> None:
    """Set, shown, asked by, completed, removed."""
    assert room.run("%models alias quick tiny-chat").text == "quick stands for local/tiny-chat"
    assert room.run("%models alias set q2 quick").error.startswith("ModelNotFound: 'quick' is an alias itself")
    assert room.run("%models derive tiny-chat --as calm -t 0").ok
    assert room.run("%models alias set c calm").text == "c stands for calm"
    table = eval(room.value("[r for r in get_ipython().run_line_magic('models', 'alias') if r['from'] == 'you']"))
    assert table == [
        {"alias": "c", "model": "calm", "from": "you"}, {"alias": "quick", "model": "local/tiny-chat", "from": "you"}
    ]  # fmt: skip
    assert room.run("%models alias list").text == room.run("%models alias").text
    assert room.complete("%%chat -m qu") == ["quick"]
    assert room.run("r = %chat -m c --max-tokens 1 hi").ok
    assert eval(room.value("r.debug['resolved']"))["preset"] == "calm"
    assert room.run("%models default quick").text == "quick answers when no model is named"
    assert room.run("%models alias remove quick").text == "quick stood for local/tiny-chat, and is no alias any more"
    said = "quick is the default and is not there now: tiny-chat answers when no model is named"
    assert room.run("%models default").text == said
    html = room.run("%%chat -t 0 --max-tokens 1\nhi").outputs[0]["text/html"]
    assert "quick is the default and is not there now" in html
    assert room.run("%models default tiny-chat").ok
    assert room.run("%models alias remove c").ok


def test_prefer(room: Kernel) -> None:
    """The order is set, shown, kept, and forgotten; what is no provider and no place is refused."""
    assert room.run("%models prefer").text == (
        "no order: a name that several models have is refused; of quantisations the one that came last"
    )
    assert room.run("%models prefer 'models home' local --quant Q4_K_M,Q8_0").text == (
        "models home, then local before others; of quantisations Q4_K_M, then Q8_0"
    )
    assert room.run("%models prefer").text.startswith("models home, then local")
    assert "Did you mean 'local'" in room.run("%models prefer lokal").error
    assert room.run("%models prefer --clear").text.startswith("no order")


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("%models alias x", ["%models alias NAME MODEL"]),
        ("%models alias x tiny-cat", ["Did you mean 'tiny-chat'"]),
        ("%models alias tiny-chat local/tiny-chat", ["the name of a model", "--force"]),
        ("%models alias remove", ["remove needs one name"]),
        ("%models alias remove x", ["you have no alias 'x'"]),
        ("%models alias x tiny-chat --hard", ["no flag --hard"]),
        ("%models alias ./x tiny-chat", ["does not look like a path"]),
        ("%models alias 'x", ["close the quotation mark"]),
        ("%models prefer --quants x", ["no flag --quants", "Did you mean '--quant'"]),
    ],
)
def test_what_is_wrong_is_one_line(room: Kernel, line: str, parts: list[str]) -> None:
    """A wrong alias or order is told in one line."""
    ran = room.run(line)
    assert all(part in ran.error for part in parts), ran.error
    assert "\n" not in ran.error


def fields(line: str) -> dict[str, Any]:
    return fields_of(parse(line, OPTIONS, "%%chat")[0])


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("-o suppress a -o suppress ' b'", {"suppress": ["a", " b"]}),
        ("-o suppress=a -o suppress='[\"b\", \"c\"]'", {"suppress": ["a", "b", "c"]}),
        ("-o suppress '[\"time\", \" time\", \"Time\", \"_time\"]'", {"suppress": ["time", " time", "Time", "_time"]}),
        ("-o suppress \"['a', 'b']\"", {"suppress": ["a", "b"]}),
        ("-o suppress 5", {"suppress": ["5"]}),
        ("-o suppress '['", {"suppress": ["["]}),
        ("--stop A -o stop B", {"stop": ["A", "B"]}),
        ("-o stop=END", {"stop": "END"}),
        ("-o stop=A -o stop=B", {"stop": ["A", "B"]}),
        ("-o logit_bias '{2435:-100, 640:-100}'", {"logit_bias": {2435: -100, 640: -100}}),
        ("-o logit_bias='{\"2435\": -100.5}'", {"logit_bias": {"2435": -100.5}}),
        ("-o logit_bias 2435:-100,640:5.5", {"logit_bias": {"2435": -100, "640": 5.5}}),
        ("-o logit_bias_by_text ' a:b:-3'", {"logit_bias_by_text": {"a:b": -3}}),
        ("-o n 2", {"n": 2}),
        ("-o n '{[]: 1}'", {"n": "{[]: 1}"}),
        ("-o n=2 --option user 5", {"n": 2, "user": "5"}),
        ("-o user='\"me\"'", {"user": "me"}),
        ("-o user=a=b", {"user": "a=b"}),
        ("-o grammar='{'", {"grammar": "{"}),
        ("-o ignore_eos true", {"ignore_eos": True}),
        ("-o ignore_eos True", {"ignore_eos": True}),
        ("-o temperature null", {"temperature": None}),
        ("-o user None -o suppress=null", {"user": None, "suppress": None}),
        ("-o response_format '{\"type\": \"text\"}'", {"response_format": {"type": "text"}}),
        ("-o tool_choice none", {"tool_choice": "none"}),
        ("-o stream_options '{\"include_usage\": true}'", {"stream_options": {"include_usage": True}}),
        ("-o tools '[{\"type\": \"function\"}]' -o tools '{\"type\": \"x\"}'",
         {"tools": [{"type": "function"}, {"type": "x"}]}),
    ],
)  # fmt: skip
def test_values_behind_o(line: str, expected: dict[str, Any]) -> None:
    """JSON, Python literals, pairs and plain text become what the field takes; lists grow with each `-o`."""
    assert fields(line) == expected


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("-o suppress time -o suppress ' time' -o supress Time", ["'supress'", "Did you mean 'suppress'"]),
        ("-o temprature 0.3", ["'temprature'", "Did you mean 'temperature'"]),
        ("-o temperature 0.3 -o temperature 0.4", ["temperature was given twice"]),
        ("-t 0.3 -o temperature=0.3", ["temperature was given twice"]),
        ('-o suppress \'["time", " time\'', ["suppress: this is no JSON", "unterminated string", "at character 10"]),
        ('-o suppress \'["time", " time"\'', ["suppress: this is no JSON", "where it ends (16 characters)"]),
        ("-o logit_bias '{2435 -100}'", ["logit_bias: this is no JSON", "at character 2"]),
        ("-o logit_bias 2435", ["logit_bias needs JSON", "2435:-100,640:-100", "'2435'"]),
        ("-o logit_bias 1:2,1:3", ["logit_bias has 1 twice"]),
        ("-o logit_bias 1:2 -o logit_bias 2:3", ["logit_bias was given twice"]),
        ("-o context=512", ["context is a load parameter", "--context"]),
        ("-o model=x", ["-o cannot set model: use -m MODEL"]),
        ("-o suppress", ["-o needs NAME=VALUE"]),
    ],
)
def test_a_wrong_value_behind_o_is_one_line(line: str, parts: list[str]) -> None:
    """A misspelt name has the nearest one, broken JSON the place, and a scalar is said once."""
    with pytest.raises(BadRequest) as caught:
        fields(line)
    assert all(part in str(caught.value) for part in parts), str(caught.value)
    assert "\n" not in str(caught.value)


def test_one_wrong_option_and_nothing_runs(room: Kernel) -> None:
    """The seed's own example: the third flag is misspelt, so nothing is asked and the conversation is as it was."""
    ran = room.run('%%chat -o suppress "time" -o suppress " time" -o supress "Time"\nOnce upon a')
    assert ran.error == "BadRequest: unrecognized request argument 'supress'. Did you mean 'suppress'?"
    assert ran.outputs == []
    assert room.run("%chats").ok
    assert room.value("len(__import__('modelhub').hub().conversations.get('main').turns)") == "0"


def test_ranges_are_told_for_each_pair(room: Kernel) -> None:
    """A bias that is out of range is named by its token, and biases with commas between them are in force."""
    error = room.run("%chat -o logit_bias 2435:-100,640:-101 hi").error
    assert "logit_bias.640: input should be greater than or equal to -100; got -101" in error
    room.run("r = %chat -t 0 --max-tokens 2 -o logit_bias 2435:-100,640:-100 hi")
    assert eval(room.value("r.request.logit_bias")) == {2435: -100.0, 640: -100.0}
