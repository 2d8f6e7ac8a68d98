"""cortex's and Jan's `model.yml`: local (flat), remote (`inference_params`), and Jan's for llama.cpp (`model_path`).

Fields: cortex.cpp, engine/config/yaml_config.cc and remote models' docs; Jan, extensions/llamacpp-extension.
"""

from __future__ import annotations

from typing import Any

from modelhub.kernels.catalog.card import ModelCard
from modelhub.kernels.catalog.documents.documents import Document
from modelhub.kernels.catalog.importers import building
from modelhub.kernels.catalog.importers.fields import Fields
from modelhub.kernels.catalog.importers.imported import Imported
from modelhub.kernels.catalog.importers.settings_map import load_settings, request_settings
from modelhub.kernels.catalog.states import State


def cortex(document: Document, headers: bool = True) -> Imported:
    """The importer `cortex`: `model.yml` of a local or a remote model."""
    notes = list(document.notes)
    fields = Fields(document, notes)
    engine, provider = building.engine_of(fields, "engine")
    asked = fields.below("inference_params")
    fields.take("object", "version")
    said = fields.text("id", "model")
    name = fields.text("name")
    known: dict[str, Any] = {
        "created": fields.whole("created"), "owned_by": fields.text("owned_by"), "description": name,
        "import_format": "cortex",
    }  # fmt: skip
    if engine == "http" or (asked and "files" not in fields):
        provider = provider or "openai"
        request = building.deep(request_settings(fields), request_settings(asked))
        ident = building.ident_of(fields, said or name, "model").removeprefix(f"{provider}/")
        metadata = building.metadata_of(fields, asked)
        given = {k: v for k, v in known.items() if v is not None}
        card = ModelCard(
            id=ident, provider=provider, engine="http", state=State.REMOTE, source="document", request=request,
            metadata=metadata, **given,
        )  # fmt: skip
        return Imported([card], notes=notes)
    files = [building.file_of(fields, path, "model", "files", noted=False) for path in fields.texts("files")[:1]]
    if path := fields.text("mmproj"):
        files.append(building.file_of(fields, path, "mmproj", "mmproj"))
    if not any(f.path or f.url for f in files):
        files = [building.file_of(fields, n, r) for n, r in building.lying_beside(document)]
    own = {}
    pattern, system = fields.take("prompt_template"), None
    parts = [fields.take(n) for n in ("system_template", "user_template", "ai_template")]
    if isinstance(pattern, str) and (made := building.template_of(pattern)):
        own["chat_template"] = made
    elif any(isinstance(p, str) for p in parts):
        before, user, ai = (p if isinstance(p, str) else "" for p in parts)
        own["chat_template"] = building.prefixes(user, ai, (before, "\n"))
    if own:
        key = "prompt_template" if isinstance(pattern, str) else "user_template"
        fields.note("is kept, and the chat template in the model's file is used", key)
    fields.take("size", "text_model")
    load = load_settings(fields)
    request = request_settings(fields)
    ident = building.ident_of(fields, said, "model")
    metadata = building.metadata_of(fields, **own)
    card = building.local_card(
        fields, ident, files, headers, load=load, request=request, system=system, metadata=metadata, **known
    )
    return Imported([card], notes=notes)


def jan_llamacpp(document: Document, headers: bool = True) -> Imported:
    """The importer `jan_llamacpp`: `model.yml` of Jan since 0.6, whose id is the folder's name."""
    notes = list(document.notes)
    fields = Fields(document, notes)
    files = []
    for role, names in (("model", ("model_path",)), ("mmproj", ("mmproj_path",))):
        if path := fields.text(*names):
            files.append(building.file_of(fields, path, role, *names, noted=role != "model"))
    name = fields.text("name")
    flag = fields.flag("embedding")
    fields.take("size_bytes", "model_size_bytes", "mmproj_size_bytes", "model_sha256", "mmproj_sha256", "object")
    load = load_settings(fields)
    request = request_settings(fields)
    ident = building.ident_of(fields, fields.text("id"), "id")
    card = building.local_card(
        fields, ident, files, headers, load=load, request=request, import_format="jan_llamacpp",
        description=name, kind="embedding" if flag else None, metadata=building.metadata_of(fields),
    )  # fmt: skip
    return Imported([card], notes=notes)
