"""A repository of the Hugging Face Hub: how it is named, and which models its files are. No network here."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from modelhub.errors import BadRequest, DownloadFailed, did_you_mean
from modelhub.kernels.catalog.fetching import well_known
from modelhub.kernels.catalog.fetching.safe_names import safe_path
from modelhub.kernels.catalog.importers.secrets import without_keys_in_addresses
from modelhub.kernels.protocol.request import short

LARGEST = 1 << 60  # bytes that a file may be said to have
HOSTS = ("huggingface.co", "www.huggingface.co", "hf.co")

# Beside Q4_K_M, which costs little quality for a third of the size of F16 (llama.cpp, tools/quantize/README.md), those
# nearest to it first.
PREFERRED = (
    "Q4_K_M", "Q4_K_XL", "Q4_K_S", "Q4_K_L", "IQ4_XS", "IQ4_NL", "Q4_0", "Q4_1", "MXFP4", "Q5_K_M", "Q5_K_S", "Q5_0",
    "Q5_1", "Q3_K_L", "Q3_K_M", "IQ3_M", "Q6_K", "Q8_0", "Q3_K_S", "IQ3_XXS", "Q2_K", "IQ2_M", "BF16", "F16", "F32",
)  # fmt: skip

_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
_QUANT = re.compile(
    r"(?:^|[-._/])((?:UD-)?(?:I?Q\d+(?:_[0-9A-Z]+)*|TQ\d_\d|MXFP4(?:_MOE)?|BF16|F16|F32|FP16|FP32))(?=$|[-._/])", re.I
)
_SHARD = re.compile(r"-(\d{5})-of-(\d{5})$")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for: a repository, perhaps one quantisation or one file of it, or an address."""

    repository: str | None = None
    quant: str | None = None
    revision: str | None = None
    file: str | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file that can be fetched. name: its path in the repository. size: bytes. git: its git hash, where no sha256."""

    name: str
    size: int | None = None
    sha256: str | None = None
    git: str | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """One model of a repository: a file, or all the parts of a split one, in order. label: what tells it apart."""

    label: str
    quant: str | None
    files: tuple[RemoteFile, ...]

    @property
    def size(self) -> int | None:
        """Bytes of all its files."""
        sizes = [f.size for f in self.files]
        return None if None in sizes else sum(s or 0 for s in sizes)

    @property
    def stem(self) -> str:
        """The name of its first file without folder, suffix and part number."""
        return stem(self.files[0].name)


def wanted(text: str, quant: str | None = None) -> Wanted:
    """What `text` asks for: `owner/repo`, `owner/repo:quant`, or an address. Raises BadRequest."""
    text = text.strip()
    bare = re.sub(r"^(hf://|hf:|hf\.co/|huggingface\.co/)", "", text)
    if re.match(r"https?://", bare):
        return _address(bare, quant)
    name, _, behind = bare.partition(":")
    if not _REPOSITORY.fullmatch(name) or ".." in name:
        raise BadRequest(
            f"%models pull needs owner/repo, owner/repo:QUANT, an https:// address of a .gguf file, or a name of "
            f"%models browse; got {short(text)}.{did_you_mean(text, [e.name for e in well_known.entries()])}"
        )
    if behind and quant and behind.lower() != quant.lower():
        raise BadRequest(f"two quantisations were named: {short(behind)} and {short(quant)}; name one")
    behind = behind or quant or ""
    if behind.lower().endswith(".gguf"):
        return Wanted(name, file="/".join(safe_path(behind, name)))
    return Wanted(name, behind or None)


def _address(text: str, quant: str | None) -> Wanted:
    """An address: of a repository's page, of a file in it, or of a file elsewhere."""
    shown = short(without_keys_in_addresses(text))
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError as error:
        raise BadRequest(f"the address {shown} cannot be read ({error})") from None
    if not host:
        raise BadRequest(f"the address {shown} names no host")
    endpoint = urlsplit(os.environ.get("HF_ENDPOINT", "")).netloc
    path = [unquote(p) for p in parts.path.split("/") if p]
    if parts.netloc != endpoint and host not in HOSTS:
        return Wanted(url=text)
    name = "/".join(path[:2]).partition(":")
    if (
        not _REPOSITORY.fullmatch(name[0])
        or any(".." in p for p in (name[0], *path[1:]))
        or path[0] in {"datasets", "spaces", "collections"}
    ):
        raise BadRequest(f"{shown} is no page of a model; it should be as https://{HOSTS[0]}/owner/repo")
    kind, revision, inside = (path[2] if len(path) > 2 else ""), (path[3] if len(path) > 3 else None), path[4:]
    if kind in {"resolve", "blob"} and inside:
        return Wanted(name[0], quant, revision, "/".join(safe_path("/".join(inside), name[0])))
    return Wanted(name[0], name[2] or quant, revision if kind == "tree" else None)


def files_of(listing: Mapping[str, Any]) -> list[RemoteFile]:
    """The GGUFs of a repository. Raises DownloadFailed for a name that is none for a file."""
    found = []
    for entry in listing["files"]:
        name = str(entry["name"])
        if name.lower().endswith(".gguf"):
            safe_path(name, listing["repository"])
            size = entry.get("size")
            known = size if type(size) is int and 0 <= size < LARGEST else None  # what a server says may be anything
            hashes = (None if h is None else str(h) for h in (entry.get("sha256"), entry.get("git")))
            found.append(RemoteFile(name, known, *hashes))
    return found


def choices(files: Iterable[RemoteFile]) -> list[Choice]:
    """The models among `files`, smallest first. Split ones are one; those with a part missing are left out."""
    models: dict[str, dict[int, RemoteFile]] = {}
    counts: dict[str, int] = {}
    for file in files:
        if _beside(file.name):
            continue
        base = file.name[: -len(".gguf")]
        shard = _SHARD.search(base)
        whole = base[: shard.start()] if shard else base
        models.setdefault(whole, {})[int(shard[1]) if shard else 1] = file
        counts[whole] = int(shard[2]) if shard else 1
    complete = {k: v for k, v in models.items() if sorted(v) == list(range(1, counts[k] + 1))}
    quants = {whole: quant_of(whole) for whole in complete}
    seen = list(quants.values())
    found = []
    for whole, parts in complete.items():
        quant = quants[whole]
        label = quant if quant and seen.count(quant) == 1 else whole.rpartition("/")[2]
        found.append(Choice(label, quant, tuple(parts[n] for n in sorted(parts))))
    return sorted(found, key=lambda c: (c.size is None, c.size or 0, c.label))


def projector(files: Iterable[RemoteFile]) -> RemoteFile | None:
    """The file that makes images of a vision model into tokens: F16 if there is one, else the smallest."""
    found = [f for f in files if "mmproj" in f.name.lower()]
    return min(found, key=lambda f: (quant_of(f.name[:-5]) not in {"F16", "FP16"}, f.size or 0), default=None)


def named_choice(found: list[Choice], quant: str, repository: str) -> Choice:
    """The model called `quant`: a quantisation, or a file's name. Raises DownloadFailed, which names what there is."""
    asked = quant.lower()
    for named in _NAMED:
        if hits := [c for c in found if asked in [n.lower() for n in named(c)]]:
            return hits[0]
    if hits := [c for c in found if (c.quant or "").lower().startswith(asked)]:
        return min(hits, key=lambda c: rank(c.quant))
    labels = [c.label for c in found]
    raise DownloadFailed(
        f"{repository} has no {short(quant)}.{did_you_mean(quant, labels)} It has {', '.join(labels)}; type "
        f"%models pull {repository}:{labels[0]}"
    )


# What a model can be called, the surest first.
_NAMED: tuple[Callable[[Choice], list[str]], ...] = (
    lambda c: [c.label, c.quant or "", c.stem],
    lambda c: [f.name for f in c.files],
    lambda c: [(c.quant or "").removeprefix("UD-")],
)


def rank(quant: str | None, preferred: Iterable[str] = ()) -> int:
    """How soon a quantisation is taken; the lower, the sooner. preferred: the user's, before the usual ones."""
    order = [*(p.upper() for p in preferred), *PREFERRED]
    name = (quant or "").upper()
    for tried in (name, name.removeprefix("UD-"), name.replace("FP", "F")):
        if tried in order:
            return order.index(tried)
    return len(order)


def quant_of(name: str) -> str | None:
    """The quantisation that a file's name, without its suffix, says; the last one if there are several."""
    found = _QUANT.findall(_SHARD.sub("", name))
    return found[-1].upper() if found else None


def stem(name: str) -> str:
    """A file's name without folder, suffix and part number."""
    return _SHARD.sub("", name.rpartition("/")[2][: -len(".gguf")])


def _beside(name: str) -> bool:
    """Whether a file belongs to a model and is none itself."""
    last = name.rpartition("/")[2].lower()
    return "mmproj" in last or "imatrix" in last
