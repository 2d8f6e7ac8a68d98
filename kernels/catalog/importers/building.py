"""What importers share: ids, engines, files beside a document, chat templates from prefixes, and the card itself."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from modelhub.errors import ModelFileError
from modelhub.kernels.catalog.card import ROLES, ModelCard, ModelFile, card_of_file
from modelhub.kernels.catalog.documents.documents import Document
from modelhub.kernels.catalog.ids import SHAPE, clean
from modelhub.kernels.catalog.importers.fields import Fields, plain
from modelhub.kernels.catalog.states import State
from modelhub.kernels.protocol.request import short

HUB = "https://huggingface.co"
LOCAL = {
    "", "llamacpp", "llama_cpp", "llama.cpp", "llama", "llama3", "nitro", "cortex", "cortex.llamacpp",
    "cortex.llama_cpp", "ggml", "gguf", "llama_cpp_python", "llama_stable", "llama_grammar", "llama_ggml", "local",
    "default",
}  # fmt: skip
REMOTE = {
    "api": None, "http": None, "remote": None, "openai": "openai", "azure": "azure", "azure_openai": "azure",
    "anthropic": "anthropic", "cohere": "cohere", "openrouter": "openrouter", "groq": "groq", "mistral": "mistral",
    "martian": "martian", "nvidia": "nvidia", "deepseek": "deepseek", "google_gemini": "gemini", "gemini": "gemini",
    "google": "gemini", "xai": "xai", "together": "together", "fireworks": "fireworks", "huggingface": "huggingface",
}  # fmt: skip
_REPO = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*\Z")
_PART = re.compile(r"-00001-of-(\d{5})\.gguf\Z")


def engine_of(fields: Fields, *names: str) -> tuple[str, str | None]:
    """The engine by our names, `llamacpp` or `http`, and the provider where its name says one.

    Raises ImportFailed for an engine modelhub does not have.
    """
    said = fields.text(*names) or ""
    name = plain(said)
    if name in LOCAL:
        return "llamacpp", None
    if name in REMOTE:
        return "http", REMOTE[name]
    raise fields.document.error(
        f"it is run by {short(said)}; modelhub runs GGUF models (llamacpp) and asks remote ones (openai, …)",
        *fields.place,
        *(fields.spelt(n) for n in names if n in fields),
    )


def ident_of(fields: Fields, said: str | None, *keys: str) -> str:
    """The id a document says, or its file's name. Raises ImportFailed for one that leads out of its folder."""
    if not said:
        return clean(fields.document.stem or "model")
    bare = said.strip("/")
    if ".." in bare.split("/") or ".." in bare.split("\\"):
        raise fields.document.error(f"no id can have .. in it; got {short(said)}", *fields.place, *keys)
    if SHAPE.match(bare) and "//" not in bare:
        return bare
    found = clean(bare)
    fields.note(f"is no id a model can be typed by; it is {found} here", *keys)
    return found


def origin_url(origin: str | None, file: str) -> str | None:
    """Where a file of a repository of the Hugging Face Hub is had; None when `origin` is no such repository."""
    return f"{HUB}/{repository(origin)}/resolve/main/{quote(file)}" if repository(origin) else None


def repository(origin: str | None) -> str | None:
    """`owner/repo`, from that or from its address; None for anything else."""
    if not origin:
        return None
    bare = origin.removeprefix("hf:").removeprefix("models://").removeprefix("huggingface.co/")
    if "://" in bare:
        if host_of(bare) not in {"huggingface.co", "hf.co", "www.huggingface.co"}:
            return None
        bare = "/".join(urlsplit(bare).path.strip("/").split("/")[:2])
    return bare.strip("/") if _REPO.match(bare.strip("/")) and ".." not in bare else None


def host_of(address: str | None) -> str:
    """The host of an address, with its port where it has one, in small letters; empty where there is none."""
    if not address:
        return ""
    try:
        parts = urlsplit(address if "://" in address else f"//{address}")
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        return ""
    return f"{host}:{port}" if port else host


def file_of(
    fields: Fields, said: str, role: str, *keys: str, origin: str | None = None, noted: bool = True
) -> ModelFile:
    """The file a document names: beside it, or to be had at an address; `noted`: one that is neither is a note.

    Raises ImportFailed for a path that leads out of the document's folder.
    """
    name = said.strip().removeprefix("file://").removeprefix("files://").replace("\\", "/")
    if "://" in name:
        url: str | None = name.split("?")[0].replace("/blob/", "/resolve/", 1) if name.startswith(HUB) else name
        if repo := (re.match(r"huggingface://([\w.-]+/[\w.-]+)/(.+)", name)):
            url = origin_url(repo[1], repo[2]) or name
        beside = _beside(fields, unquote(name.rsplit("/", 1)[-1].split("?")[0]))
        return ModelFile(str(beside) if beside else None, role, url=url, size=_size(beside))
    folder = fields.document.path.absolute().parent if fields.document.path is not None else None
    inside = name
    if folder is not None and name.startswith(f"{folder.as_posix()}/"):
        inside = name[len(folder.as_posix()) + 1 :]
    if inside.startswith(("/", "~")) or re.match(r"[A-Za-z]:", inside) or ".." in inside.split("/") or "\0" in inside:
        raise fields.document.error(
            f"it names {short(said)}, which lies outside the document's folder; for the file itself "
            "type %models import PATH",
            *fields.place,
            *keys,
        )
    found = _beside(fields, inside) or _beside(fields, inside.rsplit("/", 1)[-1])
    url = origin_url(origin, inside)
    if found is None and url is None and noted:
        fields.note(f"names {short(said)}, which does not lie beside the document", *keys)
    return ModelFile(str(found) if found else None, role, url=url, size=_size(found))


def parts_of(file: ModelFile) -> tuple[ModelFile, ...]:
    """The file, and where it is the first of a split model the others."""
    match = _PART.search(file.path or file.url or "")
    if match is None:
        return (file,)
    others = []
    for number in range(2, int(match[1]) + 1) if int(match[1]) <= 999 else ():
        end = f"-{number:05}-of-{match[1]}.gguf"
        path = Path(_PART.sub(end, file.path)) if file.path else None
        here = path if path is not None and path.is_file() else None
        url = _PART.sub(end, file.url) if file.url else None
        others.append(ModelFile(str(here) if here else None, "shard", url=url, size=_size(here)))
    return (file, *others)


def lying_beside(document: Document) -> list[tuple[str, str]]:
    """Name and role of the files of a document that names none: those of its stem, else all where it is alone."""
    if document.path is None:
        return []
    folder = document.path.absolute().parent
    try:
        names = sorted(p.name for p in folder.iterdir() if p.name.lower().endswith(".gguf") and p.is_file())
        alone = sum(p.suffix.lower() in {".json", ".yaml", ".yml"} for p in folder.iterdir()) == 1
    except OSError:
        return []
    stem = document.path.name.rsplit(".", 1)[0].lower()
    named = [n for n in names if n.lower().removesuffix(".gguf") == stem or n.lower().startswith(f"{stem}-00001-of-")]
    weights = [n for n in names if "mmproj" not in n.lower() and not re.search(r"-(?!00001)\d{5}-of-\d{5}\.gguf$", n)]
    if not named and alone and len(weights) == 1:
        named = weights
    return [(named[0], "model"), *((n, "mmproj") for n in names if "mmproj" in n.lower())] if named else []


def local_card(fields: Fields, ident: str, files: list[ModelFile], headers: bool, **known: Any) -> ModelCard:
    """The card of a model of this machine: what its header says, and over it what the document says."""
    files = [f for f in files if f.path or f.url]
    listed = {Path(f.path or f.url or "").name for f in files if f.role == "shard"}
    more = [
        p for f in files if f.role == "model" for p in parts_of(f)[1:] if Path(p.path or p.url or "").name not in listed
    ]
    first = next((n + 1 for n, f in enumerate(files) if f.role == "model"), 0)
    files = [*files[:first], *more, *files[first:]]
    if known.get("owned_by") is None and (repo := repository(known.get("origin"))):
        known["owned_by"] = repo.split("/")[0]
    known = {k: v for k, v in known.items() if v is not None and v != () and v != {}}
    model = next((f for f in files if f.role == "model"), None)
    state = State.DOWNLOADED if model is not None and model.path else State.DOWNLOADABLE
    base = ModelCard(id=ident, state=state, files=tuple(files), source="document")
    if model is not None and model.path and headers:
        try:
            read = card_of_file(Path(model.path), ident)
        except ModelFileError as error:
            fields.notes.append(str(error))
            base = replace(base, state=State.FAILED)
        else:
            urls = {Path(f.path).name: f for f in files if f.path}
            merged = [_merged(f, urls.get(Path(f.path).name) if f.path else None) for f in read.files]
            extra = [f for f in files if f.role not in {"model", "shard"} and f.path not in {m.path for m in merged}]
            base = replace(read, files=(*merged, *extra), source="document", state=State.DOWNLOADED)
    elif state == State.DOWNLOADABLE and not any(f.url for f in files) and not repository(known.get("origin")):
        fields.notes.append(
            f"{fields.document.label}: the file of {ident} is not beside it, and it does not say where it can be had"
        )
    if "request" in known:
        known["request"] = {**base.request, **known["request"]}
    if "metadata" in known:
        known["metadata"] = deep(base.metadata, known["metadata"])
    return replace(base, **known)


def deep(under: Any, over: Any) -> Any:
    """Two mappings as one, key by key; `over` wins."""
    if not isinstance(under, dict) or not isinstance(over, dict):
        return over
    return {**under, **{k: deep(under[k], v) if k in under else v for k, v in over.items()}}


def metadata_of(fields: Fields, *others: Fields, **own: Any) -> dict[str, Any]:
    """The document's own metadata, and beside it under `modelhub` what is ours and what nobody read."""
    said = {k: v for k, v in fields.below("metadata").pairs() if v is not None}
    unread = {k: v for one in (fields, *others) for k, v in one.rest().items() if v not in ({}, [])}
    silent = [k for one in (fields, *others) for k in one.unnoted() if k in unread]
    ours = {k: v for k, v in own.items() if v not in (None, "", {}, [])}
    if silent:
        fields.notes.append(f"{fields.document.label}: kept and not used: {', '.join(silent)}")
    if unread:
        ours["unread"] = deep(ours.get("unread", {}), unread)
    if isinstance(said.get("modelhub"), dict):
        before = said.pop("modelhub")
        ours = deep(ours, {k: v for k, v in before.items() if k != "imported_as"})  # see writer.document_of
    return said | ({"modelhub": ours} if ours else {})


def prefixes(
    user: str, assistant: str, system: tuple[str, str] = ("", "\n"), ends: tuple[str, str] = ("\n", "\n")
) -> str:
    """A chat template in Jinja that puts these words before what each speaker says, and `ends` behind it."""
    before, behind = (_literal(s) for s in system)
    return (
        "{% for m in messages %}{% if m['role'] == 'system' %}{{ " + before + " + m['content'] + " + behind + " }}"
        "{% elif m['role'] == 'assistant' %}{{ "
        + _literal(assistant)
        + " + m['content'] + "
        + _literal(ends[1])
        + " }}"
        "{% else %}{{ " + _literal(user) + " + m['content'] + " + _literal(ends[0]) + " }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ " + _literal(assistant) + " }}{% endif %}"
    )


def template_of(pattern: str) -> str | None:
    """A chat template in Jinja from one with {system_message} and {prompt}; None when it has no {prompt}."""
    before, found, behind = pattern.partition("{prompt}")
    if not found:
        return None
    start, has_system, between = before.partition("{system_message}")
    if not has_system:
        start, between = "", before
        return prefixes(between, behind, ends=("", "\n"))
    cut, end = _speaker(between), _speaker(behind)
    return prefixes(between[cut:], behind[end:], (start, between[:cut]), (behind[:end], behind[:end] or "\n"))


def _speaker(text: str) -> int:
    """Where in what stands between two speakers the second one's mark begins."""
    for mark in ("<|im_start|>", "<|start_header_id|>", "<start_of_turn>", "[INST]", "<|", "###"):
        if (at := text.rfind(mark)) >= 0:
            return at
    return text.rstrip().rfind("\n") + 1


def stops_of(*prefixes: str | None) -> list[str]:
    """The words before a speaker as texts that end an answer."""
    return list(dict.fromkeys(p.strip() for p in prefixes if p and p.strip()))


def role_of(said: Any) -> str:
    """A role of a file; `model` for what is none."""
    return said if isinstance(said, str) and said in ROLES else "model"


def _literal(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _merged(read: ModelFile, said: ModelFile | None) -> ModelFile:
    return read if said is None else replace(read, url=said.url, sha256=read.sha256 or said.sha256)


def _beside(fields: Fields, name: str) -> Path | None:
    if fields.document.path is None or not name:
        return None
    path = fields.document.path.absolute().parent / name
    try:
        return path if path.is_file() else None
    except (OSError, ValueError):
        return None


def _size(path: Path | None) -> int | None:
    return path.stat().st_size if path is not None else None
