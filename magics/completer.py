"""Tab in a magic's line: flags, verbs, model names, conversation names and files. Never waits on anything."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from modelhub.magics.options import Option

MAGICS = {"%chat", "%%chat", "%mh", "%%mh", "%models", "%chats", "%perplexity", "%%perplexity"}

MOST = 300  # words; providers list thousands of models

_ASSIGNED = re.compile(r"^\s*[\w.]+\s*=\s*(?=%[a-z])")  # r = %chat …


def matcher() -> Callable[[Any], Any]:
    """A matcher for IPython's completer."""
    from IPython.core.completer import SimpleCompletion, context_matcher

    @context_matcher()  # type: ignore[untyped-decorator]  # IPython ships no types
    def modelhub_matcher(context: Any) -> Any:
        found = complete(context.full_text, context.cursor_position)
        if found is None:
            return {"completions": [], "suppress": False}
        fragment, words = found
        return {
            "completions": [SimpleCompletion(text=w, type="magic") for w in words],
            "suppress": bool(words),
            "matched_fragment": fragment,
        }

    return modelhub_matcher  # type: ignore[no-any-return]  # the decorator returns what it got


def complete(text: str, cursor: int) -> tuple[str, list[str]] | None:
    """The word at the cursor and what it can become; None where the cursor is in no magic line of ours."""
    begin = text.rfind("\n", 0, cursor) + 1
    line = _ASSIGNED.sub("", text[begin:cursor])
    words = line.lstrip().split(" ")
    magic = words[0]
    if magic not in MAGICS or len(words) < 2:
        return None
    if magic.startswith("%%") and text[:begin].strip():
        return None
    fragment, before = words[-1], [w for w in words[1:-1] if w]
    if magic == "%models":
        options = _models(before, fragment)
    elif magic == "%chats":
        options = _chats(before)
    elif magic.endswith("%perplexity"):
        options = _perplexity(before, fragment)
    else:
        options = _chat(before, fragment)
    matching = _few([o for o in options if o.startswith(fragment)], len(fragment))
    return (fragment, matching) if matching or fragment.startswith("-") else None


def _few(words: list[str], typed: int) -> list[str]:
    """At most MOST words: where there are more, as far as their next slash, as folders are."""
    if len(words) > MOST:
        words = list(dict.fromkeys(w[: w.find("/", typed) + 1] or w for w in words))[:MOST]
    return words


def _chat(before: list[str], fragment: str) -> Iterable[str]:
    from modelhub.magics.chat import OPTIONS

    last = before[-1] if before else ""
    option = _option(OPTIONS, last)
    if option is not None and option.value is not None:
        if option.key == "model":
            return _model_names(fragment)
        if option.key == "chat":
            return _conversations()
        if option.key == "option":
            return [f"{name}=" for name in _fields()]
        if option.key == "format":
            return ("md", "text", "json", "code", "raw")
        return ()
    return _flags(OPTIONS, before, fragment)


def _perplexity(before: list[str], fragment: str) -> Iterable[str]:
    from modelhub.magics.perplexity import OPTIONS

    option = _option(OPTIONS, before[-1] if before else "")
    if option is not None and option.value is not None:
        if option.key == "model":
            return _model_names(fragment)
        return _paths(fragment, lambda path: True) if option.key == "file" else ()
    return _flags(OPTIONS, before, fragment)


def _flags(options: Iterable[Option], before: list[str], fragment: str) -> Iterable[str]:
    """The flags that can still be given."""
    given = {o.key for w in before if (o := _option(options, w)) and not o.repeat}
    return [o.flags[-1] for o in options if o.key not in given] if not fragment or fragment.startswith("-") else ()


def _models(before: list[str], fragment: str) -> Iterable[str]:
    """Verbs; behind one what it works on, and behind a - its flags, which would hide the names among them."""
    from modelhub.magics.models import VERBS

    if not before:
        return VERBS
    verb = VERBS.get(before[0])
    if verb is None:
        return ()
    option = _option(verb.options, before[-1])
    if option is not None and option.value is not None and option.default is None:
        return option.words() if option.words is not None else ()
    if verb.after is not None:
        words = verb.after([w for w in before[1:] if not w.startswith("-")])
    else:
        words = _model_names("") if verb.words == "models" else verb.words() if callable(verb.words) else []
    return words if words and not fragment.startswith("-") else [o.flags[-1] for o in verb.options]


def _chats(before: list[str]) -> Iterable[str]:
    from modelhub.magics.chats import VERBS

    return VERBS if not before else _conversations()


def _option(options: Iterable[Option], flag: str) -> Option | None:
    return next((o for o in options if flag in o.flags), None)


def _fields() -> list[str]:
    """The fields of a request that `-o` sets."""
    from modelhub.kernels.protocol.request import ChatRequest, Extension
    from modelhub.magics.fields import INSTEAD

    nests = {"x_modelhub", "model_options"}
    return sorted({*ChatRequest.model_fields, *Extension.model_fields} - INSTEAD.keys() - nests)


def _conversations() -> list[str]:
    from modelhub.kernels.hub import hub

    return [c.name for c in hub().conversations]


def _model_names(fragment: str) -> list[str]:
    """Names of models and, when the fragment looks like a path, folders and .gguf files."""
    from modelhub.kernels.hub import hub

    names = hub().catalog.names()
    if "/" in fragment or fragment.startswith((".", "~")):
        names += _paths(fragment, lambda path: path.suffix == ".gguf")
    return names


def _paths(fragment: str, wanted: Callable[[Path], bool]) -> list[str]:
    """Folders, and files that are `wanted`, in the folder that `fragment` names."""
    head, slash, _ = fragment.rpartition("/")
    folder = Path(head or ("/" if slash else ".")).expanduser()
    try:
        inside = sorted(folder.iterdir())
    except OSError:
        inside = []
    return [
        f"{head}{slash}{path.name}" + ("/" if path.is_dir() else "") for path in inside if path.is_dir() or wanted(path)
    ]
