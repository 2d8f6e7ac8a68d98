"""LocalAI's model YAML, and the registrations of its apiv2 branch: both become presets.

Fields: LocalAI, docs/content/advanced/advanced-usage.md; apiv2: config/*.yaml of its experimental branch.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from modelhub.errors import BadRequest
from modelhub.kernels.catalog.card import ModelCard, ModelFile
from modelhub.kernels.catalog.chat_templates import template_of
from modelhub.kernels.catalog.documents.documents import Document
from modelhub.kernels.catalog.headers.splits import stem_of
from modelhub.kernels.catalog.ids import clean
from modelhub.kernels.catalog.importers import building
from modelhub.kernels.catalog.importers.fields import Fields, plain
from modelhub.kernels.catalog.importers.imported import Imported
from modelhub.kernels.catalog.importers.presets_from import kept, preset, with_extension
from modelhub.kernels.catalog.importers.settings_map import load_settings, request_settings
from modelhub.kernels.catalog.states import State
from modelhub.kernels.protocol.request import short


def localai(document: Document, headers: bool = True) -> Imported:
    """The importer `localai`: a model's configuration; an alias, a remote model, or a preset on a file."""
    notes = list(document.notes)
    fields = Fields(document, notes)
    name = fields.text("name") or document.stem or "model"
    if target := fields.text("alias"):
        return Imported(aliases={clean(name): target}, notes=notes)
    backend = plain(fields.text("backend") or "")
    proxy = next((fields.below(k) for k in ("cloud_proxy", "proxy") if k in fields), None)
    if proxy is not None or backend in {"cloud_proxy", "openai"}:
        return Imported([_remote(fields, proxy or Fields(document, notes, "-"), name)], notes=notes)
    if backend not in building.LOCAL:
        fields.note(f"{short(backend)} is not here: models are run by llama.cpp, whatever is named", "backend")
        fields.put_back("backend")
    parameters = fields.below("parameters")
    model = parameters.text("model") or fields.text("model")
    downloads = _downloads(fields)
    wanted = next((d for d in downloads if d.role == "model"), None)
    card = None
    if model is None and wanted is None:
        raise document.error("it names no model: expected parameters.model", "parameters")
    file = building.file_of(parameters, model, "model", "model") if model and set("./\\") & set(model) else None
    if model and wanted is not None and file is not None and file.path is None:
        file = wanted
    file = file or wanted
    if file is not None and file.url:
        others = [d for d in downloads if d.role != "model"]
        ident = clean(stem_of(PurePosixPath(file.url).name))
        card = building.local_card(fields, ident, [file, *others], headers, import_format="localai")
    base = file.path if file is not None and file.path else card.name if card else clean(stem_of(model or ""))
    system = fields.text("system_prompt")
    load = {**load_settings(parameters), **load_settings(fields)} | _template(fields, "chat")
    extension = {"cutstrings": fields.texts("cutstrings"), "roles": fields.take("roles")}
    description = fields.text("description", "usage")
    request = building.deep(request_settings(fields), request_settings(parameters))
    if isinstance(extension["roles"], dict) and all(isinstance(v, str) for v in extension["roles"].values()):
        request = with_extension(request, **extension)
    else:
        request = with_extension(request, cutstrings=extension["cutstrings"])
    metadata = kept(fields, parameters, description=description, origin=document.label)
    made = preset(name, base, load=load, request=request, system=system, metadata=metadata)
    return Imported([card] if card else [], [made], notes=notes)


def apiv2(document: Document, headers: bool = True) -> Imported:
    """The importer `apiv2`: a registration with local paths (or settings) and request defaults."""
    notes = list(document.notes)
    fields = Fields(document, notes)
    registration = fields.below("registration")
    local = fields.below(next((k for k in ("local_paths", "local_settings") if k in fields), "local_settings"))
    defaults = fields.below("request_defaults")
    name = registration.text("model") or fields.text("name") or document.stem
    endpoint = registration.text("endpoint") or "*"
    said = local.text("model") or fields.text("base")
    if not said:
        raise document.error("it names no model: expected local_settings.model", "local_paths")
    file = building.file_of(local, said, "model", "model") if "." in said or "/" in said else None
    base = file.path if file is not None and file.path else clean(stem_of(PurePosixPath(said).name))
    backend = plain(local.text("backend") or "")
    if backend not in building.LOCAL:
        local.note(f"{short(backend)} is not here: models are run by llama.cpp, whatever is named", "backend")
        local.put_back("backend")
    load = load_settings(local) | _template(local)
    request = request_settings(defaults)
    system = fields.text("system")
    metadata = kept(fields, registration, local, defaults, origin=document.label)
    made = preset(name, base, endpoint=endpoint, load=load, request=request, system=system, metadata=metadata)
    return Imported(presets=[made], notes=notes)


def _template(fields: Fields, part: str = "") -> dict[str, Any]:
    """The load parameter of `template`, or of its part, where that is Jinja's; one of Go's is kept and noted."""
    said = fields.take("template")
    wanted = said.get(part) if isinstance(said, dict) else said
    if said in (None, "", {}):
        return {}
    why, text = "is for Go's templates and is kept only; the chat template in the model's file is used", None
    if isinstance(wanted, str):
        path = fields.document.path
        try:
            text = template_of(wanted, path.absolute().parent if path is not None else None)
        except BadRequest as error:
            why = f"is left out: {error}"
    if text is None:
        fields.note(why, "template")
        fields.put_back("template")
        return {}
    fields.note("became the chat template, in place of the one in the model's file", "template")
    return {"chat_template": text}


def _downloads(fields: Fields) -> list[ModelFile]:
    """The files of `download_files` (and a gallery's `files`)."""
    found = []
    for key in ("download_files", "files"):
        listed = fields.take(key)
        for number, item in enumerate(listed if isinstance(listed, list) else []):
            if not isinstance(item, dict) or not isinstance(item.get("uri"), str):
                continue
            name = str(item.get("filename") or item["uri"]).lower()
            if not item["uri"].split("?")[0].lower().endswith(".gguf"):
                continue
            role = "mmproj" if "mmproj" in name else "model"
            one = building.file_of(fields, item["uri"], role, fields.spelt(key), str(number))
            digest = item.get("sha256")
            found.append(
                ModelFile(
                    one.path, role, one.url, one.size, digest.lower() if isinstance(digest, str) and digest else None
                )
            )
    return found


def _remote(fields: Fields, proxy: Fields, name: str) -> ModelCard:
    """A model that LocalAI passes on to another."""
    said = proxy.text("provider") or "openai"
    provider = building.REMOTE.get(plain(said)) or clean(said)
    upstream = proxy.text("upstream_model", "model")
    own: dict[str, Any] = {
        "base_url": proxy.text("base_url", "url", "upstream_url"), "upstream_model": upstream,
        "key_env": proxy.text("api_key_env"), "key_file": proxy.text("api_key_file"),
    }  # fmt: skip
    request = request_settings(fields.below("parameters"))
    metadata = building.metadata_of(fields, proxy, **own)
    return ModelCard(
        id=building.ident_of(fields, upstream or name, "name"), provider=provider, engine="http", state=State.REMOTE,
        source="document", import_format="localai", request=request, metadata=metadata,
    )  # fmt: skip
