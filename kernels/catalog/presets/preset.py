"""A preset: a named way to ask a model. One document holds the name, how the model is loaded, and how it is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modelhub.errors import BadRequest, HubError, did_you_mean
from modelhub.kernels.catalog.aliases import check_name
from modelhub.kernels.catalog.chat_templates import template_of
from modelhub.kernels.protocol.load_params import RULES, load_params
from modelhub.kernels.protocol.merging import defaults
from modelhub.kernels.protocol.request import short

CHAT = "CreateChatCompletion"  # OpenAI's operationId (its OpenAPI document 2.3.0), which LocalAI's documents use
ANY = "*"
BACKENDS = ("llamacpp", "llama-cpp", "llama.cpp", "llama", "local")  # names under which others know our engine

# Where a document may say a thing, the form that is written first.
PARTS = {
    "registration": ("registration",),
    "local_settings": ("local_settings", "local_paths"),
    "request_defaults": ("request_defaults",),
    "system": ("system",),
    "metadata": ("metadata",),
    "name": ("name",),
    "base": ("base",),
}
_KNOWN = [key for keys in PARTS.values() for key in keys]


@dataclass(frozen=True, slots=True)
class Preset:
    """A named way to ask a model.

    name: what it is asked by. model: the model it is made of, by any name but another preset's. endpoint: what of it
    is asked: `*` for all, or OpenAI's operationId; (name, endpoint) is its key. load: load parameters. request: fields
    of a request, those of x_modelhub inside it, None where the engine's default is to come back. system: the system
    message where none is given. path: the file it stands in. notes: what the document says and modelhub has no use for.
    """

    name: str
    model: str
    endpoint: str = ANY
    load: Mapping[str, Any] = field(default_factory=dict)
    request: Mapping[str, Any] = field(default_factory=dict)
    system: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    path: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def asked(self) -> bool:
        """Whether modelhub asks its endpoint yet."""
        return self.endpoint in (ANY, CHAT)

    def to_dict(self) -> dict[str, Any]:
        """The preset as a document: what its file holds."""
        found: dict[str, Any] = {
            "registration": {"model": self.name, "endpoint": self.endpoint},
            "local_settings": {"model": self.model, **self.load},
        }
        if self.request:
            found["request_defaults"] = dict(self.request)
        if self.system is not None:
            found["system"] = self.system
        if self.metadata:
            found["metadata"] = dict(self.metadata)
        return found


def preset_of(document: Any, path: str | None = None) -> Preset:
    """The preset that a document, as it is read from YAML, TOML or JSON, describes.

    Raises BadRequest; its `.param` is the field, as `request_defaults.temperature`.
    """
    parts = _parts(document)
    registration = _object(parts["registration"], "registration")
    _only(registration, ("model", "endpoint"), "registration")
    local = dict(_object(parts["local_settings"], "local_settings"))
    name = _once(registration.get("model"), parts["name"], "registration.model", "name")
    model = _once(local.pop("model", None), parts["base"], "local_settings.model", "base")
    check_name(name, "registration.model")
    endpoint = registration.get("endpoint")
    if endpoint is None:
        endpoint = ANY
    if not isinstance(endpoint, str) or not endpoint.strip():
        raise _wrong("registration.endpoint", f"must be * or one of OpenAI's operations, as {CHAT}", endpoint)
    folder = Path(path).parent if path else None
    notes = (*_templates(local, folder), *_notes(local, endpoint))
    system = parts["system"]
    if system is not None and not isinstance(system, str):
        raise _wrong("system", "must be text", system)
    metadata = _object(parts["metadata"], "metadata")
    load = _checked("local_settings", local, lambda: load_params(**{k: v for k, v in local.items() if v is not None}))
    request = dict(_object(parts["request_defaults"], "request_defaults"))
    request = _checked("request_defaults", request, lambda: defaults(request))
    return Preset(name, model, endpoint, local if load else {}, request, system, metadata, path, notes)


def _parts(document: Any) -> dict[str, Any]:
    if not isinstance(document, Mapping):
        raise BadRequest(f"a preset is a table with registration and local_settings; got {type(document).__name__}")
    _only(document, _KNOWN, "")
    found = {}
    for part, keys in PARTS.items():
        said = [key for key in keys if key in document]
        if len(said) > 1:
            raise BadRequest(f"{said[1]} is another name of {said[0]}; say one of them", param=said[1])
        found[part] = document[said[0]] if said else None
    return found


def _templates(local: dict[str, Any], folder: Path | None) -> tuple[str, ...]:
    """Puts the Jinja text of `template`, or of the file that is named there, under its load parameter."""
    said = [key for key in ("template", "chat_template") if local.get(key) is not None]
    if len(said) > 1:
        raise BadRequest("template is another name of chat_template; say one of them", param="local_settings.template")
    value = local.pop(said[0]) if said else None
    local.pop("template", None)
    if value is None:
        return ()
    if not isinstance(value, str):
        raise _wrong(f"local_settings.{said[0]}", "must be a Jinja template, or the name of a file of one", value)
    try:
        text = template_of(value, folder)
    except BadRequest as error:
        raise BadRequest(f"local_settings.{said[0]}: {error}", param=f"local_settings.{said[0]}") from None
    if text is None and said[0] == "template":
        return (f"template {short(value)} is not used: it is none of Jinja's, and the model's file has its own",)
    local["chat_template"] = value if text is None else text
    return ()


def _notes(local: dict[str, Any], endpoint: str) -> tuple[str, ...]:
    """Takes what is no load parameter out of `local`, and says what is done with it."""
    notes = []
    backend = local.pop("backend", None)
    if backend is not None and backend not in BACKENDS:
        raise _wrong("local_settings.backend", f"must be one of {', '.join(BACKENDS)}: all are llama.cpp", backend)
    if endpoint not in (ANY, CHAT):
        notes.append(f"it is for {endpoint}, which is not asked by modelhub yet")
    return tuple(notes)


def _checked(part: str, given: Mapping[str, Any], check: Any) -> Any:
    """What `check` gives, or its error with the whole path of the field."""
    try:
        return check()
    except HubError as error:
        param = error.details.get("param") or ""
        more = ""
        if part == "request_defaults" and param in RULES:
            more = "; in a preset it stands under local_settings"
        raise BadRequest(f"{part}: {error}{more}", param=f"{part}.{param}" if param else part) from None


def _object(value: Any, where: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise _wrong(where, "must be a table of names and values", value)
    if (strange := next((key for key in value if not isinstance(key, str)), ...)) is not ...:
        raise BadRequest(f"{where}: names are text; got {short(strange)}", param=where)
    return value


def _once(first: Any, second: Any, where: str, other: str) -> str:
    if first is not None and second is not None and first != second:
        raise BadRequest(f"{where} is {short(first)} and {other} is {short(second)}: they mean the same", param=other)
    value = first if first is not None else second
    if not isinstance(value, str) or not value.strip():
        what = "the name it is asked by" if other == "name" else "the model it is made of"
        raise _wrong(where, f"must be {what}", value)
    return value.strip()


def _only(given: Mapping[str, Any], known: Any, where: str) -> None:
    for key in given:
        if not isinstance(key, str) or key not in known:
            path = f"{where}.{key}" if where else str(key)
            raise BadRequest(f"there is no {short(path)} in a preset.{did_you_mean(str(key), known)}", param=path)


def _wrong(where: str, expected: str, came: Any) -> BadRequest:
    return BadRequest(f"{where} {expected}; got {'nothing' if came is None else short(came)}", param=where)
