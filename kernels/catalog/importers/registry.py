"""The importers by name, and which of them a document is for where it does not say."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from modelhub.errors import BadRequest, ImportFailed, did_you_mean
from modelhub.kernels import plugins
from modelhub.kernels.catalog.documents.documents import Document
from modelhub.kernels.catalog.importers.fields import plain
from modelhub.kernels.catalog.importers.imported import Imported

Importer = Callable[..., Imported]
"""`importer(document, headers=True)`: what the document describes. headers: whether files beside it may be read."""

_HERE = "modelhub.kernels.catalog.importers."
# Name: (module, function); a module is imported when a document needs it.
BUILT_IN = {
    "default": ("jan", "local_or_remote"),
    "thebloke": ("jan", "local_or_remote"),
    "janhq": ("jan", "local_or_remote"),
    "hf_gguf": ("jan", "local_or_remote"),
    "openai": ("jan", "openai"),
    "azure_openai": ("jan", "azure_openai"),
    "cortex": ("cortex", "cortex"),
    "jan_llamacpp": ("cortex", "jan_llamacpp"),
    "localai": ("localai", "localai"),
    "apiv2": ("localai", "apiv2"),
    "ollama": ("ollama", "ollama"),
    "lmstudio": ("lmstudio", "lmstudio"),
    "llm": ("llm", "extra_models"),
    "llm_aliases": ("llm", "aliases"),
    "llm_options": ("llm", "options"),
    "llm_template": ("llm", "template"),
    "llm_gguf": ("llm", "gguf_registry"),
}
OTHER = {
    "openai_compatible": "openai", "azure": "azure_openai", "huggingface": "hf_gguf", "jan": "default",
    "model.yaml": "cortex", "model.yml": "cortex", "local_ai": "localai", "lm_studio": "lmstudio",
    "extra_openai_models": "llm", "extra_openai_models.yaml": "llm",
}  # fmt: skip
# What a document must have for an importer, in this order: all of the first names and, if there are any, one of the
# second; a dot goes one level down.
SHAPES: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("ollama", ("layers", "schemaversion"), ()),
    ("apiv2", ("registration",), ("local_paths", "local_settings", "request_defaults")),
    ("llm", ("model_id",), ("model_name", "api_base", "api_engine")),
    ("jan_llamacpp", ("model_path",), ()),
    ("cortex", ("inference_params",), ("engine", "model")),
    ("lmstudio", ("operation.fields",), ()),
    ("lmstudio", ("model",), ("metadataoverrides", "base", "config.operation", "config.load")),
    ("cortex", ("model",), ("ngl", "ctx_len", "prompt_template", "files", "text_model")),
    ("azure_openai", ("parameters.init.deployment_name",), ()),
    ("default", (), ("origin", "source_url", "sources", "parameters.init", "engine_parameters", "model_parameters")),
    ("default", ("settings", "engine"), ()),
    ("localai", (), ("backend", "parameters.model", "known_usecases", "context_size", "download_files", "cloud_proxy")),
    ("localai", ("name", "alias"), ()),
    ("llm_template", ("prompt",), ()),
    ("llm_template", ("model", "system"), ()),
    ("default", ("id",), ("parameters", "settings", "files", "download_url", "engine", "metadata")),
)
BY_NAME = {
    "aliases.json": "llm_aliases", "model_options.json": "llm_options", "extra-openai-models.yaml": "llm",
}  # fmt: skip
LISTED = {"id", "object", "created", "owned_by", "permission", "root", "parent", "state"}  # OpenAI's list of models
_added: dict[str, Importer] = {}


def register(name: str, importer: Importer) -> None:
    """Add an importer, by the name that `import_format` and `--format` call it. Raises BadRequest for a taken name."""
    name = plain(name)
    if not name.isidentifier():
        raise BadRequest(f"an importer's name is letters, digits and _; got {name!r}", param="name")
    if name in BUILT_IN or name in OTHER or _added.get(name, importer) is not importer:
        raise BadRequest(f"there is an importer {name!r} already", param="name")
    _added[name] = importer


def names() -> list[str]:
    """The names of all importers."""
    return [*BUILT_IN, *_added]


def importer(name: str, document: Document | None = None) -> Importer:
    """The importer called `name`. Raises ImportFailed, which lists them."""
    key = OTHER.get(plain(name), plain(name))
    if key in _added:
        return _added[key]
    if key not in BUILT_IN:
        brought = {plain(n): found for n, found in plugins.registry().things("importers").items()}
        if key in brought:
            return brought[key]  # type: ignore[no-any-return]  # a plugin's word for it
        known = [*names(), *brought]
        said = f"no importer is called {name[:60]!r}.{did_you_mean(name, known)} There are {', '.join(known)}"
        raise document.error(said, "import_format") if document is not None else ImportFailed(said)
    module, function = BUILT_IN[key]
    found: Importer = getattr(import_module(_HERE + module), function)
    return found


def format_of(document: Document) -> str:
    """The importer a document is for: the one it names, else the one its fields speak for. Raises ImportFailed."""
    data: dict[str, Any] = document.data
    said = next((v for k, v in data.items() if plain(k) == "import_format"), None)
    if isinstance(said, str) and said.strip():
        host = str(data.get("origin", ""))
        return "azure_openai" if plain(said) == "default" and ".openai.azure.com" in host else said
    if document.path is not None and document.path.name in BY_NAME:
        return BY_NAME[document.path.name]
    here = _names(data)
    for name, all_of, one_of in SHAPES:
        if here.issuperset(all_of) and (not one_of or not here.isdisjoint(one_of)):
            return _remote(data) if name == "default" else name
    values = list(data.values())
    if values and all(isinstance(v, dict) and "path" in v for v in values):
        return "llm_gguf"
    if "id" in data and data.keys() <= LISTED and data.get("object") in (None, "model"):
        return "openai"
    if "object" in data:
        return "default"
    raise document.error(
        f"it is not known what it describes; say so by --format, one of {', '.join(names())}, or by import_format in it"
    )


def _names(data: dict[str, Any]) -> set[str]:
    found = set()
    for key, value in data.items():
        found.add(plain(key))
        if isinstance(value, dict):
            for under, deeper in value.items():
                found.add(f"{plain(key)}.{plain(under)}")
                if isinstance(deeper, dict):
                    found |= {f"{plain(key)}.{plain(under)}.{plain(last)}" for last in deeper}
    return found


def _remote(data: dict[str, Any]) -> str:
    """`default`, or the remote importer that the origin speaks for."""
    origin = str(data.get("origin") or data.get("source_url") or "")
    if ".openai.azure.com" in origin:
        return "azure_openai"
    return "openai" if "api.openai.com" in origin else "default"
