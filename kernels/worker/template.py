"""Chat templates: the model file's own Jinja, rendered in an immutable sandbox with a limit on time and memory.

A template comes from the internet. Jinja's sandbox keeps it from Python's internals; a timer ends a loop that never
ends, and a cap on the address space ends `"x" * 10**12`. One operation that runs too long by itself, which no timer
interrupts, ends the worker. The limits are of POSIX systems; elsewhere the worker, being a process of its own, can
still be killed.
"""

from __future__ import annotations

import contextlib
import datetime
import faulthandler
import json
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import Any

SECONDS = 2.0
EXTRA_BYTES = 1 << 30
MAX_TEXT = 16 * 1024 * 1024  # characters of a rendered prompt

# Used where a model file has no template. The format is ChatML, which llama.cpp too falls back on.
CHATML = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


class TemplateError(Exception):
    """The template could not be rendered; the message says why in one line."""


class ChatTemplate:
    """One compiled chat template."""

    def __init__(self, source: str, bos: str = "", eos: str = "") -> None:
        """Compile `source`. Raises TemplateError when it is not valid Jinja."""
        from jinja2 import TemplateError as JinjaError
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
        )
        # transformers' tojson, which templates are written for: no HTML escapes, keys in their order.
        environment.filters["tojson"] = _to_json
        environment.globals["raise_exception"] = _raise
        environment.globals["strftime_now"] = lambda form: datetime.datetime.now().strftime(form)
        try:
            with _limits():
                self._template = environment.from_string(source)
        except (JinjaError, MemoryError, RecursionError, _TimeUp) as error:
            raise TemplateError(f"it does not compile: {_one_line(error)}") from error
        self._bos, self._eos = bos, eos

    def render(self, messages: Sequence[dict[str, Any]], tools: list[Any] | None = None, **extra: Any) -> str:
        """The prompt for `messages`, ending where the assistant begins to speak.

        Raises TemplateError when the template raises, runs longer than SECONDS or makes too long a text.
        """
        try:
            with _limits():
                text = self._template.render(
                    messages=messages,
                    tools=tools,
                    documents=None,
                    add_generation_prompt=True,
                    bos_token=self._bos,
                    eos_token=self._eos,
                    **extra,
                )
        except _TimeUp as error:
            raise TemplateError(f"it was still running after {SECONDS:g} seconds") from error
        except MemoryError as error:
            raise TemplateError("it asked for more memory than a prompt can need") from error
        except Exception as error:  # whatever a template raises is the template's failure, never the worker's
            raise TemplateError(_one_line(error)) from error
        if len(text) > MAX_TEXT:
            raise TemplateError(f"it made a prompt of {len(text):,} characters; {MAX_TEXT:,} is the most")
        return text


class _TimeUp(BaseException):
    """The timer rang. A BaseException, so that no handler inside the template engine takes it for its own."""


def _ring(_signum: int, _frame: object) -> None:
    raise _TimeUp("time is up")


@contextlib.contextmanager
def _limits() -> Iterator[None]:
    """Limit time and memory of the block, where the system and the thread allow it."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    before = signal.signal(signal.SIGALRM, _ring)
    try:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_AS, (_address_space() + EXTRA_BYTES, hard))
        signal.setitimer(signal.ITIMER_REAL, SECONDS)
        # The handler above runs between two operations; a thread in C ends the process over one that never ends.
        faulthandler.dump_traceback_later(2 * SECONDS, exit=True, file=sys.__stderr__ or 2)
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _address_space() -> int:
    """Bytes of address space this process has now (Linux); raises OSError elsewhere, and no cap is set."""
    import resource

    with open("/proc/self/statm") as file:  # noqa: PTH123 - runs for every request; Path would only add time
        return int(file.read().split()[0]) * resource.getpagesize()


def _to_json(value: Any, indent: int | None = None, **_options: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _raise(message: str) -> str:
    raise ValueError(message)


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else text[:297] + "..."
