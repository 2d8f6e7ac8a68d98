"""Every error modelhub raises on purpose.

    HubError                   the root; its traceback in a notebook is its one-line message
    ├── BadRequest             a request field is unknown, of the wrong type, out of range or not supported
    │   └── ContextTooLong     the prompt and the answer do not fit the context
    ├── ModelNotFound          no model has this name
    ├── ModelFileError         the file is missing, truncated, corrupt, or not a GGUF at all
    ├── ImportFailed           a model's document, or a preset, cannot be understood
    ├── DownloadFailed         a model could not be fetched; what came is kept for the next try
    ├── StateConflict          the model is not in a state for this: answering, downloading, loaded otherwise
    ├── PluginFailed           a plugin raised
    ├── TemplateFailed         the model's chat template raised, looped or asked for too much memory
    ├── EngineMissing          the engine's package is not installed
    ├── EngineFailed           the engine reported an error and lives
    │   └── EngineBusy         as many requests wait as may
    ├── EngineCrashed          the worker process died; the next request starts a new one
    ├── LoadCancelled          loading was stopped
    ├── ProviderError          a remote provider refused, failed, or could not be reached; `.kind` says which
    │   ├── StreamTruncated    its answer broke off before its end; what came is kept
    │   ├── RequestRefused     it will not take the request as it is; also a BadRequest
    │   └── PromptTooLong      prompt and answer do not fit the model's context; also a ContextTooLong
    └── StoreFailed            something could not be written to or read from disk
    Stopped                    the user stopped an answer; the partial text was kept (a KeyboardInterrupt)

A message says what was expected, what came, and what to type next, in one line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Self

# What a terminal would act on and not show: controls, marks that change the direction of text, half characters. Names
# and what servers say stand in messages.
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)


class HubError(Exception):
    """Root of every error modelhub raises on purpose."""

    def __init__(self, message: str, **details: Any) -> None:
        """Keep `message`; `details` become attributes for programs to read."""
        super().__init__(_UNSEEN.sub(lambda found: ascii(found[0])[1:-1], " ".join(message.split())))
        self.details = details

    def __getattr__(self, name: str) -> Any:
        """Give a detail by its name."""
        if not name.startswith("_") and name in self.__dict__.get("details", {}):
            return self.details[name]
        raise AttributeError(name)

    def to_dict(self) -> dict[str, Any]:
        """The error as OpenAI's API sends it: message, type, the request field it is about, and a code or None."""
        kind, code = next(OPENAI[k] for k in type(self).__mro__ if k in OPENAI)
        code = self.details.get("code", code)
        return {"error": {"message": str(self), "type": kind, "param": self.details.get("param") or None, "code": code}}

    def to_record(self) -> dict[str, Any]:
        """The error as plain data, from which `from_record` makes it again."""
        return {"type": type(self).__name__, "message": str(self)}

    @staticmethod
    def from_record(record: Mapping[str, Any]) -> HubError:
        """The error that `to_record` gave; what a record of another version has and this one does not is left out."""
        kind = globals().get(record.get("type", ""))
        if not (isinstance(kind, type) and issubclass(kind, HubError)):
            kind = ProviderError if "kind" in record else HubError
        known = {fact: record[fact] for fact in getattr(kind, "FACTS", ()) if fact in record}
        if known.get("kind", "server") not in ProviderError.KINDS:
            known["kind"] = "server"
        return kind(record.get("message", ""), **known)

    def _render_traceback_(self) -> list[str]:
        # IPython asks the exception itself before it prints a traceback (interactiveshell.py, showtraceback).
        return [f"{type(self).__name__}: {self}"]


class BadRequest(HubError):
    """A request field is unknown, of the wrong type, out of range, or not supported by the engine.

    `.param` names the field; `.code`, where there is one, says what is the matter in OpenAI's words.
    """


class ContextTooLong(BadRequest):
    """The prompt, or the prompt and the answer asked for, do not fit the model's context."""


class ModelNotFound(HubError):
    """No model has this name. `.name` is the name asked for."""


class ModelFileError(HubError):
    """The model's file is missing, truncated, corrupt or of another kind. `.path` is the file."""


class ImportFailed(HubError):
    """A model's document, or a preset, cannot be understood. `.path` and, where it is known, `.line` say where."""


class DownloadFailed(HubError):
    """A model could not be fetched; what came is kept, and the next try goes on from there."""


class StateConflict(HubError):
    """The model is not in a state for what was asked. `.state` is the one it is in."""


class PluginFailed(HubError):
    """A plugin raised. `.plugin` is its name."""


class TemplateFailed(HubError):
    """The model's chat template raised, ran too long or asked for too much memory."""


class EngineMissing(HubError):
    """The package an engine needs is not installed."""


class EngineFailed(HubError):
    """The engine could not do what was asked, and lives."""


class EngineBusy(EngineFailed):
    """As many requests wait for the model as may; ask again when some are done."""


class EngineCrashed(HubError):
    """The worker process died while it was needed; the next request starts a new one. `.log` has its last lines."""


class LoadCancelled(HubError):
    """Loading the model was stopped by the user."""


class ProviderError(HubError):
    """A remote provider refused, failed, or could not be reached.

    kind: one of KINDS. status: of HTTP, or of the error that stood in a reply that HTTP called a success; None where
    neither said one. provider: its name. retry_after: seconds it asks to wait, or None. retryable: whether the same
    request may succeed later. param: the field of the request it is about. code: the provider's own word for it.
    partial: the Response, with what came before, or None; a copy and a pickle go without it. raw: what the provider
    sent, at most 64 KiB, keys and private ids masked. request_id: the provider's name of the exchange.
    """

    KINDS = (
        "auth", "permission", "not_found", "bad_request", "unsupported_param", "context_length", "content_filter",
        "rate_limit", "quota", "overloaded", "server", "timeout", "connection", "truncated", "protocol", "too_large",
    )  # fmt: skip
    FACTS = ("kind", "provider", "status", "retry_after", "retryable", "param", "code", "raw", "request_id")

    def __init__(
        self,
        message: str,
        *,
        kind: str = "server",
        provider: str = "",
        status: int | None = None,
        retry_after: float | None = None,
        retryable: bool = False,
        param: str | None = None,
        code: str | None = None,
        raw: str = "",
        request_id: str | None = None,
        **details: Any,
    ) -> None:
        """An error of `kind`, see the class; `details` become attributes, as everywhere."""
        super().__init__(message, **details, param=param)
        assert kind in self.KINDS, kind
        self.kind = kind
        self.provider = provider
        self.status = status
        self.retry_after = retry_after
        self.retryable = retryable
        self.param = param
        self.code = code
        self.raw = raw
        self.request_id = request_id
        self.partial: Any = None

    def to_dict(self) -> dict[str, Any]:
        """See `HubError.to_dict`; type and code follow from the kind."""
        kind, code = BY_KIND[self.kind]
        return {"error": {"message": str(self), "type": kind, "param": self.param or None, "code": code}}

    def to_record(self) -> dict[str, Any]:
        """See `HubError.to_record`."""
        return {**super().to_record(), **{fact: getattr(self, fact) for fact in self.FACTS}}

    def bare(self) -> Self:
        """Itself without the frames it came through and the errors behind it.

        Their locals hold what was sent and what came, and some servers repeat the key they were sent. What shows locals
        beside a traceback (rich, debuggers, services that collect errors) would show it.
        """
        self.__traceback__ = self.__cause__ = self.__context__ = None
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return HubError.from_record, (self.to_record(),)


class StreamTruncated(ProviderError):
    """A provider's answer broke off: its end was never seen. `.partial` is the Response with what came."""

    def __init__(self, message: str, **details: Any) -> None:
        """An error of kind `truncated`."""
        super().__init__(message, **{"kind": "truncated", "retryable": True, **details})


class RequestRefused(ProviderError, BadRequest):
    """A provider will not take the request as it is: a BadRequest that was found out there and not here."""


class PromptTooLong(ProviderError, ContextTooLong):
    """A provider says that prompt and answer do not fit the model's context."""


class StoreFailed(HubError):
    """Something could not be written to, or read from, disk."""


# What OpenAI's API calls each: type and code. A class that is not named is called as the one it derives from.
OPENAI: dict[type, tuple[str, str | None]] = {
    HubError: ("server_error", None),
    BadRequest: ("invalid_request_error", None),
    ContextTooLong: ("invalid_request_error", "context_length_exceeded"),
    ModelNotFound: ("not_found_error", "model_not_found"),
    ModelFileError: ("server_error", "model_not_loaded"),
    ImportFailed: ("invalid_request_error", "invalid_document"),
    DownloadFailed: ("server_error", "download_failed"),
    StateConflict: ("invalid_request_error", "conflict"),
    EngineMissing: ("not_implemented_error", "model_not_loaded"),
    EngineBusy: ("rate_limit_error", "engine_busy"),
    LoadCancelled: ("server_error", "cancelled"),
}

# The same of a ProviderError, by its kind.
BY_KIND: dict[str, tuple[str, str | None]] = {
    "auth": ("authentication_error", "invalid_api_key"),
    "permission": ("permission_error", None),
    "not_found": ("not_found_error", "model_not_found"),
    "bad_request": ("invalid_request_error", None),
    "unsupported_param": ("invalid_request_error", "unsupported_parameter"),
    "context_length": ("invalid_request_error", "context_length_exceeded"),
    "content_filter": ("invalid_request_error", "content_filter"),
    "rate_limit": ("rate_limit_error", "rate_limit_exceeded"),
    "quota": ("rate_limit_error", "insufficient_quota"),
    "overloaded": ("server_error", "overloaded"),
    "server": ("server_error", None),
    "timeout": ("server_error", "timeout"),
    "connection": ("server_error", "connection_failed"),
    "truncated": ("server_error", "stream_truncated"),
    "protocol": ("server_error", None),
    "too_large": ("invalid_request_error", "request_too_large"),
}


class Stopped(KeyboardInterrupt):
    """The user stopped an answer: the partial text was kept. `.response` is the answer so far.

    A KeyboardInterrupt, so that Run All stops here as it does for any interrupted cell.
    """

    def __init__(self, message: str, response: Any = None) -> None:
        """Keep the one-line message and the partial response."""
        super().__init__(message)
        self.response = response

    def _render_traceback_(self) -> list[str]:
        return [f"Stopped: {self}"]


def nearest(name: str, known: Iterable[str], count: int = 3, cutoff: float = 0.55) -> list[str]:
    """The names in `known` most like `name`, best first, at most `count`; cutoff: 0 (any) to 1 (the same)."""
    import difflib

    lowered = {k.lower(): k for k in known}
    return [lowered[k] for k in difflib.get_close_matches(name.lower(), lowered, n=count, cutoff=cutoff)]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """` Did you mean 'x' or 'y'?` with a leading blank, or nothing when no name is near."""
    near = nearest(name, known)
    return f" Did you mean {' or '.join(repr(n) for n in near)}?" if near else ""
