"""Jan's model object, in each shape it had, and our own `model.json`, which is the same object.

Shapes (Jan, docs/docs/specs/engineering/models.md, by their commits): the one with `origin` and `parameters.init` and
`runtime` (6ca8ce24d); `source_url` (df883a7cb); `settings`, flat `parameters`, `engine`, `sources` (f03b13b9e);
`engine_parameters` and `model_parameters` (a2c6395f2).
"""

from __future__ import annotations

from typing import Any

from modelhub.kernels.catalog.card import ModelCard, ModelFile
from modelhub.kernels.catalog.documents.documents import Document
from modelhub.kernels.catalog.ids import clean
from modelhub.kernels.catalog.importers import building
from modelhub.kernels.catalog.importers.fields import Fields
from modelhub.kernels.catalog.importers.imported import Imported
from modelhub.kernels.catalog.importers.settings_map import load_settings, request_settings
from modelhub.kernels.catalog.states import State
from modelhub.kernels.protocol.request import short

INIT = ("settings", "engine_parameters")
AZURE = ".openai.azure.com"
HOSTS = {  # who answers at an address
    "api.openai.com": "openai", "api.anthropic.com": "anthropic", "api.groq.com": "groq", "api.mistral.ai": "mistral",
    "openrouter.ai": "openrouter", "api.deepseek.com": "deepseek", "api.cohere.ai": "cohere",
    "generativelanguage.googleapis.com": "gemini", "integrate.api.nvidia.com": "nvidia", "api.x.ai": "xai",
}  # fmt: skip


def local_or_remote(document: Document, headers: bool = True) -> Imported:
    """The importer `default` (also thebloke, janhq, hf_gguf): a model of this machine, unless its engine is remote."""
    return _read(document, headers, None)


def openai(document: Document, headers: bool = True) -> Imported:
    """The importer `openai`: a model that OpenAI, or who speaks like it, answers for."""
    return _read(document, headers, "openai")


def azure_openai(document: Document, headers: bool = True) -> Imported:
    """The importer `azure_openai`: a deployment at Azure."""
    return _read(document, headers, "azure")


def _read(document: Document, headers: bool, provider: str | None) -> Imported:
    notes = list(document.notes)
    fields = Fields(document, notes)
    kind = fields.text("object")
    if kind not in (None, "model"):
        raise document.error(f"it describes a {short(kind)}, and modelhub imports models (object: model)", "object")
    engine, named = "http", None
    metadata = Fields(document, notes, fields.spelt("metadata"))
    if "engine" in fields or "engine" in metadata:
        engine, named = building.engine_of(*((fields, "engine") if "engine" in fields else (metadata, "engine")))
    elif provider is None:
        engine = "llamacpp"
    if provider is not None:
        engine = "http"
    fields.take("import_format", "format", "provider") if provider is None else fields.take("import_format", "format")
    parameters = fields.below("parameters")
    inits = [parameters.below("init"), *(fields.below(name) for name in INIT)]
    runtimes = [parameters.below("runtime"), parameters, fields.below("model_parameters")]
    build = _remote if engine == "http" else _local
    card = build(document, notes, fields, inits, runtimes, provider or named, headers)
    return Imported([card], notes=notes)


def _settings(inits: list[Fields], runtimes: list[Fields]) -> tuple[dict[str, Any], dict[str, Any]]:
    load: dict[str, Any] = {}
    request: dict[str, Any] = {}
    for one in reversed(inits):
        load |= load_settings(one)
    for one in reversed(runtimes):
        request = building.deep(request, request_settings(one))
    return load, request


def _local(
    document: Document,
    notes: list[str],
    fields: Fields,
    inits: list[Fields],
    runtimes: list[Fields],
    provider: str | None,
    headers: bool,
) -> ModelCard:
    origin = fields.text("origin")
    source = fields.text("source_url")
    said = fields.text("download_url")
    own = {}
    files: list[ModelFile] = []
    if (said or source) and not (said and "*" in said):  # a pattern names a file of the origin once it is pulled
        key = "download_url" if said else "source_url"
        files.append(building.file_of(fields, said or source or "", "model", key, origin=origin, noted=False))
    origin = origin or building.repository(source)
    files += _listed(fields, origin)
    for init in inits:
        if path := init.text("llama_model_path", "model_path"):
            files.append(building.file_of(init, path, "model", "llama_model_path", origin=origin, noted=False))
        if path := init.text("mmproj"):
            files.append(building.file_of(init, path, "mmproj", "mmproj", origin=origin))
    files = _once(files)
    if not any(f.role == "model" and (f.path or f.url) for f in files):
        beside = [building.file_of(fields, name, role) for name, role in building.lying_beside(document)]
        files = beside + [f for f in files if f.role != "model"]
    system, stop, template = fields.text("system"), list[str](), ""
    for init in inits:
        system = system or init.text("pre_prompt", "system_prompt")
        user, ai = init.take("user_prompt"), init.take("ai_prompt")
        pattern = init.take("prompt_template")
        if isinstance(user, str) or isinstance(ai, str):
            template = building.prefixes(str(user or ""), str(ai or ""))
            stop = building.stops_of(str(user or ""), str(ai or ""))
            init.note(
                "became the chat template, in place of the one in the model's file",
                next(k for k in ("user_prompt", "ai_prompt") if k in init),
            )
        elif isinstance(pattern, str) and (made := building.template_of(pattern)):
            own["chat_template"] = made
            init.note("is kept, and the chat template in the model's file is used", "prompt_template")
        if init.flag("embedding"):
            init.note(
                "is left out: this model is loaded for chats, and vectors are made by models that are for that",
                "embedding",
            )
            init.put_back("embedding")
    load, request = _settings(inits, runtimes)
    if template:
        load.setdefault("chat_template", template)
        request.setdefault("stop", stop)
    ident = building.ident_of(fields, fields.text("id"), "id")
    known = _known(fields)
    vision = [i for i in inits if i.flag("vision_model")]
    capabilities = tuple(dict.fromkeys([*known.pop("capabilities"), *(["vision"] if vision else [])]))
    metadata = building.metadata_of(fields, *inits, *runtimes, **own)
    if "engine" in metadata:
        metadata["engine"] = "llamacpp"
    return building.local_card(
        fields, ident, files, headers, origin=origin, import_format=_format(document), download_url=said or source,
        load=load, request=request, system=system, capabilities=capabilities, metadata=metadata, **known,
    )  # fmt: skip


def _remote(
    document: Document,
    notes: list[str],
    fields: Fields,
    inits: list[Fields],
    runtimes: list[Fields],
    provider: str | None,
    headers: bool,
) -> ModelCard:
    origin = fields.text("origin", "source_url")
    said = fields.text("id", "model")
    host = building.host_of(origin)
    named = fields.text("provider") if "provider" in fields else None
    deployment = next((d for i in inits if (d := i.text("deployment_name", "deployment", "api_engine"))), None)
    if provider in (None, "openai") and (host.endswith(AZURE) or deployment):
        provider = "azure"
    elif host in HOSTS and provider in (None, "openai"):
        provider = HOSTS[host]
    provider = named or provider or (clean(host.replace(":", "-")) if host else "openai")
    version = next((v for i in inits if (v := i.text("api_version"))), None)
    base = next((b for i in inits if (b := i.text("base_url", "api_base", "url"))), None)
    if deployment is None and provider == "azure" and said:
        deployment = said.rstrip("/").rsplit("/", 1)[-1]
    ident = building.ident_of(fields, deployment or said, "id")
    ident = ident.removeprefix(f"{provider}/")
    own: dict[str, Any] = {"deployment": deployment, "api_version": version}
    own["base_url"] = base or (origin if origin and "://" in origin else f"https://{origin}" if host else None)
    _load, request = _settings([], runtimes)
    system = fields.text("system")
    known = _known(fields)
    known.pop("has_template")
    metadata = building.metadata_of(fields, *inits, *runtimes, **own)
    if "engine" in metadata:
        metadata["engine"] = "http"
    return ModelCard(
        id=ident, provider=provider, engine="http", state=State.REMOTE, source="document", origin=origin,
        import_format=_format(document), request=request, system=system, metadata=metadata,
        **{k: v for k, v in known.items() if v is not None},
    )  # fmt: skip


def _known(fields: Fields) -> dict[str, Any]:
    """What a card has beside its files and settings, where the document says it."""
    fields.take("state", "source", "size", "version", "type")
    kind = fields.text("kind")
    return {
        "created": fields.whole("created"),
        "owned_by": fields.text("owned_by"),
        "description": fields.text("description", "name"),
        "licence": fields.text("licence", "license"),
        "parameters": fields.whole("parameter_count"),
        "quantisation": fields.text("quantisation"),
        "context_length": fields.whole("context_length"),
        "architecture": fields.text("architecture"),
        "capabilities": tuple(fields.texts("capabilities")),
        "has_template": fields.flag("has_template"),
        "kind": kind if kind in {"chat", "completion", "embedding"} else None,
    }


def _listed(fields: Fields, origin: str | None) -> list[ModelFile]:
    """The files of `files` and `sources`: texts, or objects with path, url, role, size and sha256."""
    found = []
    for name in ("files", "sources"):
        listed = fields.take(name)
        for number, item in enumerate(listed if isinstance(listed, list) else [listed] if listed else []):
            key = (fields.spelt(name), str(number))
            if isinstance(item, str):
                found.append(building.file_of(fields, item, _role(item), *key, origin=origin, noted=False))
            elif isinstance(item, dict):
                path, url = item.get("path") or item.get("filename"), item.get("url")
                named = str(path or url or "")
                one = building.file_of(fields, named, _role(named), *key, origin=origin, noted=False)
                size, digest = item.get("size"), item.get("sha256")
                found.append(
                    ModelFile(
                        one.path,
                        building.role_of(item.get("role")) if item.get("role") else one.role,
                        url=url if isinstance(url, str) and "://" in url else one.url,
                        size=one.size or (size if type(size) is int and size >= 0 else None),
                        sha256=digest.lower() if isinstance(digest, str) else None,
                    )
                )
    return found


def _role(name: str) -> str:
    name = name.lower()
    return "mmproj" if "mmproj" in name or name.endswith(".proj") else "model"


def _once(files: list[ModelFile]) -> list[ModelFile]:
    """One entry a file: what is said twice of one is put together."""
    found: dict[tuple[str, str], ModelFile] = {}
    for file in files:
        name = (file.path or file.url or "").rsplit("/", 1)[-1]
        before = found.setdefault((file.role, name), file)
        if before is not file:
            found[file.role, name] = ModelFile(
                before.path or file.path, file.role, before.url or file.url, before.size or file.size,
                before.sha256 or file.sha256,
            )  # fmt: skip
    return list(found.values())


def _format(document: Document) -> str | None:
    said = document.data.get("import_format")
    metadata = document.data.get("metadata")
    ours = metadata.get("modelhub") if isinstance(metadata, dict) else None
    read_as = ours.get("imported_as") if isinstance(ours, dict) else None
    said = read_as if isinstance(read_as, str) else said
    return said if isinstance(said, str) and said else None
