"""Templates that come with a file: what one does wrong is said in one line, and the worker answers the next request."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.random_gguf import CHATML, write
from modelhub.errors import BadRequest, EngineCrashed, HubError, TemplateFailed
from modelhub.kernels.hub import Hub

GUARD = "{% if messages[0].content == 'hi' %}" + CHATML + "{% else %}BAD{% endif %}"


@pytest.mark.parametrize(
    ("name", "bad", "says"),
    [
        ("raises", "{{ raise_exception('only hi, please') }}", "only hi, please"),
        ("loops", "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "still running"),
        ("swells", "{{ 'x' * 10**10 }}", "memory"),
        ("breaks-out", "{{ ''.__class__.__mro__ }}", "__class__"),
        ("is-empty", "", "no tokens"),
    ],
)
def test_a_template_that_fails(hub: Hub, tmp_path: Path, name: str, bad: str, says: str) -> None:
    """The failure names the template's fault; the same worker answers a question the template can render."""
    path = str(write(tmp_path / f"{name}.gguf", template=GUARD.replace("BAD", bad)))
    assert hub.chat("hi", model=path, max_tokens=2, seed=1).text() is not None
    pid = hub.engine(path).pid
    with pytest.raises(HubError) as caught:
        hub.chat("something else", model=path).text()
    assert says in str(caught.value) and "\n" not in str(caught.value)
    assert isinstance(caught.value, TemplateFailed) or name == "is-empty"
    assert hub.chat("hi", model=path, max_tokens=2, seed=1).text() is not None
    assert hub.engine(path).pid == pid
    hub.unload(path)


def test_a_template_that_no_timer_interrupts(hub: Hub, tmp_path: Path) -> None:
    """One operation without an end costs the worker, not the kernel: a crash in one line, then answers again."""
    bad = "{{ ([messages * 1000] * 99999) | sum(start=[]) }}"  # hours, inside one call of Python's own sum
    path = str(write(tmp_path / "stuck.gguf", template=GUARD.replace("BAD", bad)))
    assert hub.chat("hi", model=path, max_tokens=2, seed=1).text() is not None
    with pytest.raises(EngineCrashed) as caught:
        hub.chat("something else", model=path).text()
    assert "\n" not in str(caught.value)
    assert hub.chat("hi", model=path, max_tokens=2, seed=1).text() is not None
    hub.unload(path)


def test_a_template_that_is_no_jinja(hub: Hub, tmp_path: Path) -> None:
    """A syntax error in the file's template is said when it is asked, and names the model."""
    path = str(write(tmp_path / "broken.gguf", template="{% for %}"))
    with pytest.raises(TemplateFailed, match=r"the chat template of broken cannot be used: it does not compile"):
        hub.chat("hi", model=path).text()
    assert hub.engine(path).pid is not None
    hub.unload(path)


def test_several_system_messages_and_tools_of_the_past(hub: Hub, random_gguf: Path) -> None:
    """System and developer messages reach the template as one; parts are joined."""
    messages: list[dict[str, Any]] = [
        {"role": "developer", "content": "one"},
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {"role": "system", "content": "two"},
    ]
    response = hub.chat(messages, model=str(random_gguf), max_tokens=1)
    response.text()
    assert response.debug["prompt"].startswith(
        "<|im_start|>system\none\n\ntwo<|im_end|>\n<|im_start|>user\nab<|im_end|>\n"
    )


def test_another_template_than_the_files(hub: Hub, tmp_path: Path) -> None:
    """`chat_template` renders in place of the file's own, and one that is no Jinja is said when it is asked."""
    path = str(write(tmp_path / "own.gguf"))
    users = "{% for m in messages %}USER: {{ m.content }}\n{% endfor %}ASSISTANT: "
    hub.load(path, chat_template=users)
    response = hub.chat("hi", model=path, max_tokens=2, seed=1)
    assert response.text() is not None and response.debug["prompt"] == "USER: hi\nASSISTANT: "
    assert hub.engine(path).loaded["template"] == "given"
    hub.load(path, chat_template="{% for %}", reload=True)
    with pytest.raises(TemplateFailed, match=r"of own cannot be used: it does not compile"):
        hub.chat("hi", model=path).text()
    with pytest.raises(BadRequest, match=r"chat_template must be a Jinja template of at most 256 kB; got 7"):
        hub.load(path, chat_template=7, reload=True)
    hub.unload(path)
