"""Names of models as they may be typed: made from the names of files and folders, whatever these are."""

from __future__ import annotations

import re

SHAPE = re.compile(r"[A-Za-z0-9][\w./:@-]*\Z")
LONGEST = 200  # characters
QUANT = re.compile(
    r"(?:^|[-._])((?:UD-|i1-)?(?:I?Q[1-8](?:_[0-9A-Z]{1,3}){0,3}|TQ[12]_0|BF16|F(?:P)?(?:16|32)|MXFP4(?:_MOE)?|NVFP4))$",
    re.IGNORECASE,
)
GENERIC = re.compile(r"(?:ggml-)?model\b", re.IGNORECASE)  # says nothing that its folder does not say better


def clean(text: str) -> str:
    """`text` as an id: one that SHAPE takes and in which no part is `..` or empty; at most LONGEST characters.

    Other characters become `-`. The same text always gives the same id.
    """
    parts = []
    for part in re.sub(r"-*[^\w./:@-]+-*", "-", text).split("/"):
        part = part.strip("-")
        if part.strip("."):
            parts.append(part)
    found = "/".join(parts).lstrip("._:@-/")[:LONGEST].rstrip("-/.")
    return found if SHAPE.match(found) else f"model-{found}".rstrip("-")


def quantisation(stem: str) -> str | None:
    """The quantisation that the name of a file ends with, as `Q4_K_M`; None when it says none."""
    found = QUANT.search(stem)
    return found[1].upper().replace("I1-", "i1-") if found else None


def from_parts(folders: tuple[str, ...], stem: str, quant: str | None) -> str:
    """The id of a file that lies in `folders` below its place and whose name without its ending is `stem`.

    At the top it is the stem, in `folder` it is `folder/stem` (`folder` where the stem says nothing more), in
    `owner/repo` and deeper `owner/repo:QUANT`.
    """
    if folders[:1] == ("huggingface.co",):  # cortex's folder for what it got there
        folders = folders[1:]
    if not folders:
        return clean(stem)
    if len(folders) == 1:
        same = not stem or stem.lower() == folders[0].lower() or GENERIC.match(stem)
        return clean(folders[0] if same else f"{folders[0]}/{stem}")
    named = quantisation(stem) or quantisation(folders[-1]) or quant
    if len(folders) > 2 and (quantisation(folders[-1]) or folders[-1] == named):
        folders = folders[:-1]
    return clean("/".join(folders) + (f":{named}" if named else f"/{stem}"))
