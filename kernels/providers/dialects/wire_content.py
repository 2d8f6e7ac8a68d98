"""What stands in a message, piece by piece: text, and media as data or as an address."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from urllib.parse import unquote, unquote_to_bytes

from modelhub.errors import BadRequest
from modelhub.kernels.protocol.request import ChatRequest, Message, Part, short

_DATA = re.compile(r"data:([\w.+-]+/[\w.+-]+)((?:;[\w.=+-]+)*?)(;base64)?,", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Media:
    """A picture, a sound or a file of a message.

    kind: `image`, `audio` or `file`. mime: as `image/png`; "" where it is not known. data: base64, or "" where it
    stands at an address. url: that address; nothing is ever fetched from it. title: a file's name.
    """

    kind: str
    mime: str = ""
    data: str = ""
    url: str = ""
    title: str = ""

    @property
    def text(self) -> str:
        """A text file's text, read as UTF-8."""
        return base64.b64decode(self.data).decode("utf-8", "replace")


def pieces(message: Message, number: int) -> list[str | Media]:
    """The pieces of a message in order, empty text left out. number: of the message, for errors.

    Raises BadRequest for a part that has not what its type says.
    """
    content = message.content
    if not isinstance(content, list):
        return [content] if content else []
    found: list[str | Media] = []
    for part in content:
        piece = _piece(part, f"messages.{number}")
        if piece:
            found.append(piece)
    return found


def text_only(found: list[str | Media], whose: str, number: int) -> str:
    """The text of pieces, joined. Raises BadRequest where one is no text."""
    for piece in found:
        if isinstance(piece, Media):
            raise unread(piece, whose, number)
    return "".join(piece for piece in found if isinstance(piece, str))


def unread(media: Media, whose: str, number: int, then: str = "") -> BadRequest:
    """The error for a piece that the provider does not take. then: what to do instead."""
    what = {"image": "pictures", "audio": "sound", "file": "files"}[media.kind]
    where = " at an address" if media.url else f" of type {media.mime}" if media.mime else ""
    return BadRequest(
        f"messages.{number}: {whose} takes no {what}{where} here{f'; {then}' if then else ''}", param="messages"
    )


def hints(request: ChatRequest) -> list[str]:
    """What messages say that no wire but OpenAI's can: warnings."""
    parts = [p for m in request.messages if isinstance(m.content, list) for p in m.content]
    details = [(p.image_url or {}).get("detail") for p in parts if p.type == "image_url"]
    if any(d not in (None, "auto") for d in details):
        return ["the detail of a picture has no effect here: only OpenAI's API knows it"]
    return []


def data_url(url: str) -> tuple[str, str] | None:
    """The type and the base64 of a data: URL; None where it is none."""
    found = _DATA.match(url)
    if found is None:
        return None
    rest = url[found.end() :]
    if not found[3]:
        rest = base64.b64encode(unquote_to_bytes(rest)).decode("ascii")
    return found[1].lower(), unquote(rest)


def _piece(part: Part, where: str) -> str | Media | None:
    match part.type:
        case "text" | "refusal":
            return part.text or part.refusal
        case "image_url":
            return _picture((part.image_url or {}).get("url"), where)
        case "input_audio":
            sound = part.input_audio or {}
            data, form = sound.get("data"), sound.get("format")
            if not isinstance(data, str) or not isinstance(form, str):
                raise BadRequest(f"{where}: input_audio needs data (base64) and format (wav, mp3)", param="messages")
            return Media("audio", f"audio/{form.lower()}", _checked(data, where))
        case _:
            return _file(part, where)


def _picture(url: object, where: str) -> Media:
    if isinstance(url, str) and (found := data_url(url)):
        return Media("image", found[0], _checked(found[1], where))
    if isinstance(url, str) and re.match(r"(https?|gs)://", url):
        return Media("image", url=url)
    raise BadRequest(
        f"{where}: the url of a picture is a data: URL or begins with https://; got {short(url)}", param="messages"
    )


def _file(part: Part, where: str) -> Media:
    file = part.file or {}
    data, name, ident = file.get("file_data"), file.get("filename"), file.get("file_id")
    title = name if isinstance(name, str) else ""
    if isinstance(data, str) and (found := data_url(data)):
        return Media("file", found[0], _checked(found[1], where), title=title)
    if isinstance(ident, str) and re.match(r"(https?|gs)://", ident):
        return Media("file", url=ident, title=title)
    raise BadRequest(
        f"{where}: a file needs file_data, a data: URL with its type, as data:application/pdf;base64,...",
        param="messages",
    )


def _checked(data: str, where: str) -> str:
    """Base64 without blanks. Raises BadRequest for what is none."""
    data = "".join(data.split())
    try:
        binascii.a2b_base64(data, strict_mode=True)
    except ValueError as error:  # binascii.Error among them
        raise BadRequest(f"{where}: the data is no base64 ({error})", param="messages") from None
    return data
