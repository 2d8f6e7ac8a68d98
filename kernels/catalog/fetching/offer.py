"""What can be had under a name, and what would be taken: the models of a repository, each with how it fits."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from modelhub.errors import BadRequest, DownloadFailed
from modelhub.kernels.catalog import ids
from modelhub.kernels.catalog.fetching import fit
from modelhub.kernels.catalog.fetching.fit import VERDICTS, Fit, Machine
from modelhub.kernels.catalog.fetching.hugging_face import (
    Choice,
    RemoteFile,
    choices,
    files_of,
    named_choice,
    projector,
    rank,
)
from modelhub.kernels.catalog.fetching.safe_names import plain
from modelhub.kernels.catalog.importers.secrets import without_keys_in_addresses
from modelhub.kernels.protocol.request import short

ASKED = "it was asked for"


@dataclass(frozen=True, slots=True)
class Offer:
    """What `begin` would fetch.

    origin: `owner/repo`, or an address, without the keys in it. choices: the models there are. chosen: the one that
    is taken; why: the reason, in words. fits: how each choice fits, None where its size is not known. mmproj: the
    file beside it that makes it see. folders: where it will lie below the models home.
    """

    origin: str
    choices: tuple[Choice, ...]
    chosen: Choice
    why: str
    fits: dict[str, Fit | None]
    machine: Machine
    repository: str | None = None
    commit: str | None = None
    mmproj: RemoteFile | None = None
    gated: bool = False
    licence: str | None = None
    context: int | None = None

    @property
    def files(self) -> tuple[RemoteFile, ...]:
        """All files that are fetched, the model's first."""
        return (*self.chosen.files, *([self.mmproj] if self.mmproj else []))

    @property
    def size(self) -> int | None:
        """Bytes of all of them."""
        sizes = [f.size for f in self.files]
        return None if None in sizes else sum(s or 0 for s in sizes)

    @property
    def folders(self) -> tuple[str, ...]:
        """`(owner, repo, label)`, or one folder named as the file."""
        if self.repository is None:
            return (plain(self.chosen.stem),)
        return (*self.repository.split("/"), plain(self.chosen.label))

    @property
    def id(self) -> str:
        """The id it will have, the same that its place gives it."""
        return ids.from_parts(self.folders, self.chosen.stem, self.chosen.quant)

    @property
    def asked(self) -> str:
        """What `%models pull` is told to fetch just this."""
        return f"{self.repository}:{self.chosen.label}" if self.repository else self.origin

    @property
    def fit(self) -> Fit | None:
        """How the chosen one fits."""
        return self.fits[self.chosen.label]

    def without_mmproj(self) -> Offer:
        """The same without what makes it see."""
        return replace(self, mmproj=None)

    def with_sha256(self, sha256: str) -> Offer:
        """The same, of one file at an address, which must have this hash. Raises BadRequest."""
        if not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
            raise BadRequest(f"--sha256 needs 64 hexadecimal digits; got {short(sha256)}")
        if self.repository is not None:
            raise BadRequest(f"--sha256 is for a file at an address; {self.repository} says the hashes of its files")
        file = replace(self.chosen.files[0], sha256=sha256.lower())
        return replace(self, chosen=replace(self.chosen, files=(file,)))


def of_repository(
    listing: dict[str, Any], quant: str | None, file: str | None, preferred: Iterable[str], machine: Machine
) -> Offer:
    """The offer of a repository's listing. Raises DownloadFailed where it has no model, or none of that name."""
    name = listing["repository"]
    files = files_of(listing)
    found = choices(files)
    if not found:
        split = ", a split one with a part missing" if files else ""
        raise DownloadFailed(
            f"{name} has no GGUF that can be fetched{split}; look for one that does with %models browse --online "
            f"{name.partition('/')[2]}"
        )
    parameters = listing["gguf"].get("total")
    count = parameters if type(parameters) is int and 0 < parameters < 10**15 else None
    fits = {c.label: None if c.size is None else fit.fit(c.size, machine, count) for c in found}
    if file or quant:
        chosen, why = named_choice(found, file or quant or "", name), ASKED
    else:
        chosen, why = choose(found, fits, list(preferred))
    context = listing["gguf"].get("context_length")
    return Offer(
        origin=name,
        choices=tuple(found),
        chosen=chosen,
        why=why,
        fits=fits,
        machine=machine,
        repository=name,
        commit=listing["commit"],
        mmproj=projector(files),
        gated=listing["gated"],
        licence=listing["licence"],
        context=context if type(context) is int else None,
    )


def of_address(url: str, probed: dict[str, Any], machine: Machine) -> Offer:
    """The offer of one file at an address."""
    file, shown = RemoteFile(probed["name"], probed["size"], url=url), without_keys_in_addresses(url)
    choice = choices([file])
    if not choice:
        raise DownloadFailed(
            f"{shown} is no model by itself ({file.name}): it is one part of a split one, or belongs beside one. Give "
            "the repository, as owner/repo, to fetch all of it"
        )
    only = choice[0]
    fits = {only.label: None if only.size is None else fit.fit(only.size, machine)}
    return Offer(shown, (only,), only, ASKED, fits, machine)


def choose(found: list[Choice], fits: dict[str, Fit | None], preferred: list[str]) -> tuple[Choice, str]:
    """The model to take where none was named, and why.

    The best that fits: the quantisation sooner in the order of preference, of equal ones the larger.
    """

    def verdict(c: Choice) -> int:
        known = fits[c.label]
        return VERDICTS.index(known.verdict) if known else 1

    good = [c for c in found if verdict(c) < VERDICTS.index("tight")]
    fair = good or [c for c in found if verdict(c) == VERDICTS.index("tight")]
    if not fair:
        least = min(found, key=lambda c: c.size or 0)
        return least, f"none fits this machine; {least.label} is the smallest"
    best = min(fair, key=lambda c: (rank(c.quant, preferred), -(c.size or 0)))
    if len(found) == 1:
        why = "it is the only one"
    elif best.quant and best.quant in [p.upper() for p in preferred]:
        why = "you prefer it"
    elif (best.quant or "").removeprefix("UD-") == "Q4_K_M":
        why = "it loses little quality at about a third of the full size"
    else:
        skipped = [c for c in found if rank(c.quant, preferred) < rank(best.quant, preferred)]
        why = f"{skipped[0].label} does not fit" if skipped else "it is nearest to Q4_K_M, which is not there"
    return best, why if good else f"{why}; memory must be freed before it can be loaded"
