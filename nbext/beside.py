"""What an answer has beside its text: thoughts, tool calls, a refusal, pictures. As HTML, as plain text, as evidence.

All of it is as untrusted as the text. Thoughts are rendered as it is; names, arguments and refusals are escaped.
Pictures are shown from data: URLs of four kinds alone, whose bytes are of that kind; no address is ever loaded.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import html
import json
import re
from dataclasses import dataclass
from typing import Any

from modelhub.nbext.markdown import displayable, preformatted, to_html

LARGEST = 8 << 20  # bytes of a picture that is shown
ALL_TOGETHER = 24 << 20  # bytes of all pictures of an answer that are shown
SHOWN = 200  # characters of an address

_DATA = re.compile(r"data:([\w.+/-]{1,100})((?:;[\w.=+-]{1,60})*?)(;base64)?,", re.IGNORECASE)
_KINDS = {
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/gif": (b"GIF87a", b"GIF89a"),
    "image/webp": (b"RIFF",),
}


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture. kind: its media type, "" for an address. data: its bytes, None where they are not here."""

    url: str
    kind: str
    data: bytes | None

    @property
    def safe(self) -> bool:
        """Whether its bytes are of one of the kinds that are shown."""
        data = self.data or b""
        known = data.startswith(_KINDS.get(self.kind, ())) if data else False
        return known and (self.kind != "image/webp" or data[8:12] == b"WEBP")


def picture(url: str) -> Picture:
    """The picture at `url`, which is not fetched."""
    found = _DATA.match(url)
    if found is None:
        return Picture(url, "", None)
    kind = found[1].lower().replace("image/jpg", "image/jpeg")
    data = None
    if found[3]:
        try:
            data = base64.b64decode(re.sub(r"\s", "", url[found.end() :]), validate=True)
        except (binascii.Error, ValueError):
            data = None
    return Picture(url, kind, data)


def above(choice: dict[str, Any]) -> str:
    """HTML of what stands above the text: the thoughts, folded."""
    thought = str(choice.get("reasoning", ""))
    if not thought.strip():
        return ""
    words = len(thought.split())
    return (
        f'<details style="opacity:.75"><summary>thought for {words:,} word{"" if words == 1 else "s"}</summary>'
        f'<div style="border-left:2px solid #8888;padding-left:.8em">{to_html(thought)}</div></details>'
    )


def below(choice: dict[str, Any]) -> str:
    """HTML of what stands below the text: the refusal, the tool calls, the pictures."""
    parts = []
    if refusal := choice.get("refusal"):
        parts.append(f"<div><strong>refused:</strong> {_text(refusal)}</div>")
    for call in choice.get("tool_calls", ()):
        cut = " (cut off before its end)" if call.get("incomplete") else ""
        name = _text(call["function"]["name"] or "(without a name)")
        parts.append(f"<div>calls <code>{name}</code>{cut}</div>{preformatted(arguments(call))}")
    room = ALL_TOGETHER
    for number, url in enumerate(choice.get("images", ()), 1):
        one = picture(url)
        size = len(one.data or b"")
        if one.safe and size <= min(LARGEST, room):
            room -= size
            encoded = base64.b64encode(one.data or b"").decode()
            parts.append(
                f'<div><img alt="picture {number}" style="max-width:100%" src="data:{one.kind};base64,{encoded}"></div>'
            )
        else:
            parts.append(f"<div>{_linked(one, number)}</div>")
    return "".join(parts)


def plain(choice: dict[str, Any]) -> str:
    """What stands below the text, for a terminal and for `text/plain`; thoughts are left out."""
    parts = []
    if refusal := choice.get("refusal"):
        parts.append(f"refused: {refusal}")
    for call in choice.get("tool_calls", ()):
        cut = " (cut off)" if call.get("incomplete") else ""
        parts.append(f"calls {call['function']['name']}({_one_line(call['function']['arguments'])}){cut}")
    parts += [_described(picture(url), number) for number, url in enumerate(choice.get("images", ()), 1)]
    return displayable("\n".join(parts))


def evidence(choice: dict[str, Any]) -> dict[str, Any]:
    """What the record of an answer keeps of it: pictures by their sums, for their bytes stand in the HTML."""
    kept: dict[str, Any] = {
        name: choice[name] for name in ("reasoning", "refusal", "tool_calls", "native_finish_reason") if name in choice
    }
    if urls := choice.get("images"):
        kept["images"] = [_sum(picture(url)) for url in urls]
    return kept


def arguments(call: dict[str, Any]) -> str:
    """The arguments of a tool call, indented where they are JSON."""
    text = str(call["function"]["arguments"])
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False) if text else "{}"
    except (ValueError, RecursionError):
        return text


def _sum(one: Picture) -> dict[str, Any]:
    if one.data is None:
        return {"url": one.url if not one.kind else f"data:{one.kind}"}
    return {"type": one.kind, "bytes": len(one.data), "sha256": hashlib.sha256(one.data).hexdigest()}


def _linked(one: Picture, number: int) -> str:
    """A picture that is not shown: an address to click on, which loads nothing by itself, or what it is."""
    if not one.kind and re.match(r"https?://", one.url, re.IGNORECASE):
        address = html.escape(displayable(one.url))
        shown = html.escape(displayable(_short(one.url)))
        return f'picture {number}: <a href="{address}" rel="noopener noreferrer">{shown}</a>'
    return _text(_described(one, number))


def _described(one: Picture, number: int) -> str:
    if not one.kind:
        return f"picture {number}: {_short(one.url)}"
    size = f", {len(one.data):,} bytes" if one.data is not None else ""
    return f"picture {number}: {one.kind}{size}; response.images[{number - 1}] has it"


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def _one_line(text: str) -> str:
    return " ".join(str(text).split())


def _text(text: Any) -> str:
    return html.escape(displayable(str(text)), quote=False)
