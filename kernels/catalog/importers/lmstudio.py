"""LM Studio's `model.yaml` and its presets: settings as lists of keys and values.

Keys: https://modelyaml.org and https://lmstudio.ai/docs.
"""

from __future__ import annotations

from typing import Any

from modelhub.kernels.catalog.documents.documents import Document
from modelhub.kernels.catalog.importers import building
from modelhub.kernels.catalog.importers.fields import Fields
from modelhub.kernels.catalog.importers.imported import Imported
from modelhub.kernels.catalog.importers.settings_map import load_settings, request_settings

NAMES = {
    "temperature": "temperature", "topKSampling": "top_k", "topPSampling": "top_p", "minPSampling": "min_p",
    "repeatPenalty": "repeat_penalty", "maxPredictedTokens": "max_tokens", "stopStrings": "stop",
    "contextLength": "context", "systemPrompt": "system", "cpuThreads": "threads", "evalBatchSize": "batch",
    "llama.cpuThreads": "threads", "llama.evalBatchSize": "batch", "llama.flashAttention": "flash_attn",
    "llama.tryMmap": "mmap", "llama.keepModelInMemory": "mlock", "llama.ropeFrequencyBase": "rope_freq_base",
    "llama.ropeFrequencyScale": "rope_freq_scale", "llama.kCacheQuantizationType": "cache_type_k",
    "llama.vCacheQuantizationType": "cache_type_v", "presencePenalty": "presence_penalty", "seed": "seed",
}  # fmt: skip


def lmstudio(document: Document, headers: bool = True) -> Imported:
    """The importer `lmstudio`: a model.yaml. A preset names no model, which is said."""
    notes = list(document.notes)
    fields = Fields(document, notes)
    said = fields.text("model")
    if not said:
        raise document.error(
            "it is a preset of LM Studio and names no model; give its settings to one by "
            "%models derive MODEL --as NAME -t … -s …"
        )
    bases = fields.take("base")
    origin = _origin(bases) if isinstance(bases, list) else bases if isinstance(bases, str) else None
    overrides = fields.below("metadataOverrides")
    config = fields.below("config")
    settings = {**_settings(config.take("load")), **_settings(config.take("operation"))}
    flat = Document(settings, {}, document.path)
    under = Fields(flat, notes)
    system = under.text("system")
    load, request = load_settings(under), request_settings(under)
    capabilities = tuple(
        ours
        for theirs, ours in (("vision", "vision"), ("trainedForToolUse", "tools"), ("reasoning", "reasoning"))
        if overrides.flag(theirs) is True
    )
    lengths = overrides.take("contextLengths")
    longest = max((n for n in lengths if type(n) is int), default=None) if isinstance(lengths, list) else None
    metadata = building.metadata_of(fields, config, overrides, under)
    files = [building.file_of(fields, n, r) for n, r in building.lying_beside(document)]
    ident = building.ident_of(fields, said, "model")
    card = building.local_card(
        fields, ident, files, headers, origin=origin, import_format="lmstudio", load=load, request=request,
        system=system, capabilities=capabilities, context_length=longest, metadata=metadata,
    )  # fmt: skip
    return Imported([card], notes=notes)


def _settings(section: Any) -> dict[str, Any]:
    """`fields: [{key, value}]` as a mapping by our names; {checked, value} is what it holds, or nothing."""
    found: dict[str, Any] = {}
    listed = section.get("fields") if isinstance(section, dict) else None
    for item in listed if isinstance(listed, list) else []:
        if not isinstance(item, dict) or not isinstance(item.get("key"), str):
            continue
        key, value = item["key"], item.get("value")
        if isinstance(value, dict) and "checked" in value:
            value = value.get("value") if value["checked"] else None
        short = key.removeprefix("llm.prediction.").removeprefix("llm.load.")
        found[NAMES.get(short, str(key))] = value
    return found


def _origin(bases: list[Any]) -> str | None:
    """The repository of the first GGUF source."""
    for base in bases:
        sources = base.get("sources") if isinstance(base, dict) else None
        for source in sources if isinstance(sources, list) else []:
            if isinstance(source, dict) and source.get("type") == "huggingface":
                repo = building.repository(f"{source.get('user')}/{source.get('repo')}")
                if repo is not None:
                    return repo
    return None
