"""Names that came from outside and are to become names of files: each is checked before it is used."""

from __future__ import annotations

import re

from modelhub.errors import DownloadFailed
from modelhub.kernels.protocol.request import short

LONGEST = 200  # bytes of one name; file systems take 255, and parts have a suffix

_DEVICE = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\.|$)")
_WRONG = re.compile(  # controls, what systems keep for themselves, marks of direction, half characters
    r'[\x00-\x1f\x7f-\x9f\\:*?"<>|\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]'
)


def safe_path(name: str, whence: str) -> tuple[str, ...]:
    """The parts of a relative path, such as `Q4_K_M/model.gguf`.

    Raises DownloadFailed, which names `whence`, for one that could leave its folder or mean something else on another
    system: `..`, an absolute path, backslashes, control characters, names of devices.
    """
    parts = tuple(name.split("/"))
    for part in parts:
        if not part or part.startswith(".") or part != part.strip() or part.endswith("."):
            raise _refused(name, whence)
        if _WRONG.search(part) or _DEVICE.match(part) or len(part.encode("utf-8", "replace")) > LONGEST:
            raise _refused(name, whence)
    return parts


def safe_name(name: str, whence: str) -> str:
    """The name of one file. Raises DownloadFailed as `safe_path` does, and for a path."""
    parts = safe_path(name, whence)
    if len(parts) > 1:
        raise _refused(name, whence)
    return name


def plain(text: str) -> str:
    """A name of letters, digits and `._-` that stands for `text`; for folders nobody needs to read."""
    return re.sub(r"[^\w.-]+", "-", text, flags=re.ASCII).strip(".-")[:120] or "model"


def _refused(name: str, whence: str) -> DownloadFailed:
    return DownloadFailed(
        f"{whence} names a file {short(name)}, which is no safe name for a file (it could leave its folder); "
        "nothing was written. Fetch the model from another place"
    )
