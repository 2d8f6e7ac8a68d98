"""A key that was found, and how it goes into a request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from modelhub.errors import BadRequest
from modelhub.kernels.providers.addresses import is_loopback
from modelhub.kernels.providers.keys.key_store import DEFAULT, LONGEST
from modelhub.kernels.redaction import is_placeholder
from modelhub.kernels.secret import Secret

ARGUMENT, SESSION, ENVIRONMENT, KEYRING, FILE = "argument", "session", "environment", "keyring", "file"


@dataclass(frozen=True, slots=True)
class Found:
    """What looking for a key gave.

    secret: the key, or None. source: where it is from: `argument`, `session`, `environment`, `keyring`, `file`, or ""
    for none. name: the key's name; of the environment the variable's. why: for None, what is there and was not taken,
    in a line; else "".
    """

    secret: Secret | None
    source: str = ""
    name: str = DEFAULT
    why: str = ""


@dataclass(frozen=True, slots=True)
class KeyAuth:
    """The header that carries a key; false where there is none to be sent.

    header: its name. source, name: as of `Found`. warnings: what the user should know once. `value` is to be called
    when the request is sent, and kept nowhere.
    """

    header: str
    scheme: str
    secret: Secret | None
    source: str = ""
    name: str = DEFAULT
    warnings: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.secret is not None

    def value(self) -> str:
        """The header's value: the scheme and the key. Only where there is a key."""
        assert self.secret is not None
        return f"{self.scheme} {self.secret.reveal()}".strip()


def usable(text: object) -> str:
    """A key as it is kept: without blanks around it. Raises BadRequest, which never quotes it, for what can be none."""
    key = text.strip() if isinstance(text, str) else ""
    if not key:
        raise BadRequest("a key is a text; got nothing" if text in ("", None) else "a key is a text of some length",
                         param="key")  # fmt: skip
    wrong = ""
    if key[0] in "'\"`" or key[-1] in "'\"`":
        wrong = "it has quotation marks around it: leave them out"
    elif key.lower().startswith(("bearer ", "authorization:", "x-api-key:")):
        wrong = "the key alone is wanted, without the words before it"
    elif any(c.isspace() for c in key):
        wrong = "it has blanks or line ends in it: paste the key alone"
    elif not (key.isascii() and key.isprintable()) or '"' in key or "\\" in key:
        wrong = "it has characters that no key has"
    elif len(key) > LONGEST:
        wrong = f"it is longer than {LONGEST:,} characters"
    elif "=" in key[:-2] and key.partition("=")[0].replace("_", "").isupper() and "KEY" in key.partition("=")[0]:
        wrong = "the key alone is wanted, without the variable before it"
    elif is_placeholder(key):
        wrong = "it is a placeholder, and the key itself is wanted"
    if wrong:
        raise BadRequest(f"this is no key: {wrong}", param="key")
    return key


def is_plain(url: str) -> bool:
    """Whether what is sent to an address can be read on its way: http, to another machine."""
    parts = urlsplit(url)
    return parts.scheme.lower() != "https" and not is_loopback(parts.hostname or "")


def ask(prompt: str, otherwise: str, check: Callable[[str], str] = usable) -> str:
    """A key, typed unseen. Raises BadRequest with `otherwise`, what to type where nobody can be asked."""
    import getpass  # ipykernel puts its own in place of getpass.getpass, which asks the front end
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", getpass.GetPassWarning)  # it would be seen as it is typed
            typed = getpass.getpass(prompt)
    except Exception:  # StdinNotImplementedError of ipykernel, EOFError of a pipe, GetPassWarning
        raise BadRequest(otherwise, param="key") from None
    return check(typed)
