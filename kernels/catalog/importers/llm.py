"""What Simon Willison's `llm` keeps: models at OpenAI-compatible endpoints, aliases, options, templates, and the
registry of its plugin llm-gguf.

Fields: https://llm.datasette.io, "OpenAI-compatible models", "Prompt templates"; llm-gguf's models.json.
"""

from __future__ import annotations

from typing import Any

from modelhub.errors import ImportFailed
from modelhub.kernels.catalog.card import ModelCard
from modelhub.kernels.catalog.documents.documents import Document
from modelhub.kernels.catalog.ids import clean
from modelhub.kernels.catalog.importers import building
from modelhub.kernels.catalog.importers.fields import Fields
from modelhub.kernels.catalog.importers.imported import Imported
from modelhub.kernels.catalog.importers.jan import HOSTS
from modelhub.kernels.catalog.importers.presets_from import kept, preset
from modelhub.kernels.catalog.importers.settings_map import load_settings, request_settings
from modelhub.kernels.catalog.states import State

CAN = {
    "vision": "vision", "audio": "audio", "supports_tools": "tools", "supports_schema": "json",
    "reasoning": "reasoning",
}  # fmt: skip


def extra_models(document: Document, headers: bool = True) -> Imported:
    """The importer `llm`: one entry of extra-openai-models.yaml."""
    notes = list(document.notes)
    fields = Fields(document, notes)
    said = fields.text("model_id")
    if not said:
        raise document.error("it has no model_id", "model_name")
    base = fields.text("api_base")
    host = building.host_of(base) if base else "api.openai.com"
    azure = "azure" in (fields.text("api_type") or "")
    provider = "azure" if azure else HOSTS.get(host) or clean(host.replace(":", "-"))
    ident = building.ident_of(fields, said, "model_id")
    completion = bool(fields.flag("completion"))
    capabilities = tuple(ours for theirs, ours in CAN.items() if fields.flag(theirs))
    aliases = {clean(a): f"{provider}/{ident}" for a in fields.texts("aliases")}
    own: dict[str, Any] = {
        "base_url": base, "upstream_model": fields.text("model_name"), "key_name": fields.text("api_key_name"),
        "deployment": fields.text("api_engine"), "api_version": fields.text("api_version"),
        "headers": {k: v for k, v in fields.below("headers").pairs() if v is not None},
    }  # fmt: skip
    fields.take("can_stream")
    request = request_settings(fields)
    card = ModelCard(
        id=ident, provider=provider, engine="http", kind="completion" if completion else "chat", state=State.REMOTE,
        source="document", origin=base, import_format="llm", capabilities=capabilities, request=request,
        metadata=building.metadata_of(fields, **own),
    )  # fmt: skip
    return Imported([card], aliases=aliases, notes=notes)


def aliases(document: Document, headers: bool = True) -> Imported:
    """The importer `llm_aliases`: aliases.json, names for names."""
    notes = list(document.notes)
    found = {}
    for name, target in document.data.items():
        if isinstance(target, str) and target.strip():
            found[clean(name)] = target.strip()
        else:
            notes.append(f"{document.where(name)}: an alias stands for the name of a model; left out")
    return Imported(aliases=found, notes=notes)


def options(document: Document, headers: bool = True) -> Imported:
    """The importer `llm_options`: model_options.json, fields of a request by model."""
    notes = list(document.notes)
    found = {}
    for name in document.data:
        fields = Fields(document, notes, name)
        if checked := request_settings(fields):
            found[name] = checked
        if unread := fields.unnoted():
            notes.append(f"{document.where(name)}: no field of a request, left out: {', '.join(unread)}")
    return Imported(options=found, notes=notes)


def gguf_registry(document: Document, headers: bool = True) -> Imported:
    """The importer `llm_gguf`: models.json of llm-gguf."""
    found = Imported(notes=list(document.notes))
    for name in document.data:
        fields = Fields(document, found.notes, name)
        try:
            path = fields.text("path")
            if not path:
                raise document.error("it has no path", name)
            files = [building.file_of(fields, path, "model", "path", noted=False)]
            if clip := fields.text("clip_model_path"):
                files.append(building.file_of(fields, clip, "mmproj", "clip_model_path"))
            load = load_settings(fields)
            ident = building.ident_of(fields, name)
            alias = fields.texts("aliases")
            card = building.local_card(
                fields, ident, files, headers, import_format="llm_gguf", load=load,
                metadata=building.metadata_of(fields),
            )  # fmt: skip
        except ImportFailed as error:
            found.notes.append(str(error))
            continue
        found.cards.append(card)
        found.aliases |= {clean(a): card.name for a in alias}
    if not found.cards and found.notes:
        raise ImportFailed(found.notes[0], path=document.label)
    return found


def template(document: Document, headers: bool = True) -> Imported:
    """The importer `llm_template`: a prompt template that names a model becomes a preset."""
    notes = list(document.notes)
    fields = Fields(document, notes)
    name = fields.text("name") or document.stem
    model = fields.text("model")
    if not model:
        raise document.error("it names no model, so it is a text and no preset; keep it in a variable and use {{name}}")
    system = fields.text("system")
    pattern = fields.take("prompt")
    own: dict[str, Any] = {}
    load: dict[str, Any] = {}
    stop: list[str] = []
    if isinstance(pattern, str) and "$input" in pattern:
        before, _, behind = pattern.partition("$input")
        own = {"prompt": pattern}
        load = {"chat_template": building.prefixes(before, behind)}
        stop = building.stops_of(before)
        fields.note("became the chat template, in place of the one in the model's file", "prompt")
    elif pattern is not None:
        fields.put_back("prompt")
    request = request_settings(fields.below("options"))
    if stop:
        request.setdefault("stop", stop)
    made = preset(name or "preset", model, load=load, request=request, system=system, metadata=kept(fields, **own))
    return Imported(presets=[made], notes=notes)
