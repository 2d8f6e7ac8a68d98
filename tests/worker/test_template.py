"""Chat templates, by themselves: what they render, and what they are kept from."""

from __future__ import annotations

import time
from typing import Any

import pytest

from benchmarks.random_gguf import CHATML as RANDOM_CHATML
from modelhub.kernels.worker.template import CHATML, SECONDS, ChatTemplate, TemplateError

MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi <b>&</b>"}]
CHATML_TEXT = (
    "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi <b>&</b><|im_end|>\n<|im_start|>assistant\n"
)


def render(source: str, **extra: Any) -> str:
    return ChatTemplate(source, "<s>", "</s>").render(MESSAGES, **extra)


@pytest.mark.parametrize("source", [CHATML, RANDOM_CHATML])
def test_chatml(source: str) -> None:
    """ChatML comes out to the letter, without HTML escapes, and ends where the assistant begins."""
    assert render(source) == CHATML_TEXT


def test_what_templates_are_written_for_is_there() -> None:
    """BOS and EOS, tojson without escapes and in order, loop controls, strftime_now, extra values, trimmed blocks."""
    assert render("{{ bos_token }}x{{ eos_token }}") == "<s>x</s>"
    assert render("{{ {'b': '<é>', 'a': [1]} | tojson }}") == '{"b": "<é>", "a": [1]}'
    assert (
        render("{% for m in messages %}{% if loop.index > 1 %}{% break %}{% endif %}{{ m.role }}{% endfor %}")
        == "system"
    )
    assert len(render("{{ strftime_now('%Y-%m-%d') }}")) == 10
    assert render("{{ enable_thinking }}", enable_thinking=False) == "False"
    assert render("{% if true %}\n  {% if true %}\nx\n  {% endif %}\n{% endif %}") == "x\n"


def test_raise_exception_says_what_the_template_says() -> None:
    """A template's own refusal is passed on in its words, on one line."""
    with pytest.raises(TemplateError, match=r"^Roles must alternate!$"):
        render("{{ raise_exception('Roles must\n alternate!') }}")


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ messages.__init__.__globals__ }}",
        "{{ cycler.__init__.__globals__.os.environ }}",
        "{{ raise_exception.__globals__ }}",
        "{{ '{0.__class__.__mro__}'.format(1) | upper }}",
    ],
)
def test_the_sandbox_holds(source: str) -> None:
    """Python's internals are out of reach: an error, or nothing."""
    try:
        text = render(source)
    except TemplateError as error:
        text = ""
        assert "\n" not in str(error)
    assert "class" not in text.lower() and "environ" not in text


def test_messages_cannot_be_changed() -> None:
    """The sandbox is immutable: a template cannot change what it is given."""
    before = [dict(m) for m in MESSAGES]
    with pytest.raises(TemplateError, match=r"safely callable|unsafe|not"):
        render("{{ messages.append(1) }}")
    assert before == MESSAGES


@pytest.mark.parametrize("source", ["{% for %}", "{{ x", "{% if %}", "{{ 'a' | nosuchfilter }}", "{% endfor %}"])
def test_a_template_that_is_no_jinja_does_not_compile(source: str) -> None:
    """A syntax error is found when the template is made, and said on one line."""
    with pytest.raises(TemplateError, match=r"^it does not compile: ") as caught:
        ChatTemplate(source)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "source",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% set n = namespace(t='x') %}{% for a in range(99) %}{% set n.t = n.t + n.t %}{% endfor %}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{{ messages[7].content.x }}",
        "{{ 'x' * 10**10 }}",
        "{{ ('x' * 10**8) | replace('x', 'xxxxxxxxxxxxxxxx') }}",
        "{{ 'x' | center(10**10) }}",
        "{{ 9 ** (9 ** 9) }}",
        "{% set n = messages | length + 7 %}{{ n ** (n ** n) }}",
        "{{ 'x' * 20000000 }}",
        "{{ '%10000000000d' % 1 }}",
    ],
)
def test_a_template_that_asks_for_too_much_is_ended(source: str) -> None:
    """Loops, recursion, huge strings and huge numbers end within the limit, each on one line."""
    began = time.monotonic()
    with pytest.raises(TemplateError) as caught:
        render(source)
    assert time.monotonic() - began < 5 * SECONDS
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


def test_the_limits_are_taken_off_again() -> None:
    """After a template ran, the process has its time and its memory back."""
    import resource
    import signal

    before = resource.getrlimit(resource.RLIMIT_AS), signal.getsignal(signal.SIGALRM)
    with pytest.raises(TemplateError):
        render("{{ 'x' * 10**10 }}")
    render(CHATML)
    assert (resource.getrlimit(resource.RLIMIT_AS), signal.getsignal(signal.SIGALRM)) == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
