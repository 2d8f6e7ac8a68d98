"""Which of `ProviderError.KINDS` an error is: by its codes, then by its words, then by its status."""

from __future__ import annotations

import re
from collections.abc import Mapping

from modelhub.kernels.providers.failures.params import unsupported
from modelhub.kernels.providers.failures.shapes import Said

# Words for programs, in small letters with underscores. OpenAI's, Azure's, Anthropic's, Google's (google.rpc.Code and
# ErrorInfo.reason), Groq's, Mistral's, Together's, xAI's, vLLM's, llama.cpp's, TGI's; November 2026.
CODES: Mapping[str, str] = {
    **dict.fromkeys(("invalid_api_key", "incorrect_api_key", "authentication_error", "authenticationerror",
                     "unauthenticated", "api_key_invalid", "invalid_authentication", "missing_api_key", "unauthorized",
                     "api_key_expired", "invalid_token", "token_expired", "access_token_expired"), "auth"),
    **dict.fromkeys(("permission_error", "permission_denied", "permissiondenied", "permissiondeniederror", "forbidden",
                     "unsupported_country_region_territory", "organization_restricted", "model_terms_required",
                     "service_disabled", "api_key_service_blocked", "access_terminated_error",
                     "access_token_scope_insufficient", "account_deactivated"), "permission"),
    **dict.fromkeys(("model_not_found", "not_found_error", "not_found", "notfounderror", "deploymentnotfound",
                     "model_decommissioned", "model_not_available", "model_not_active", "invalid_model",
                     "resource_not_found", "unknown_model", "modelnotfound"), "not_found"),
    **dict.fromkeys(("unsupported_parameter", "unsupported_value", "unknown_parameter", "unsupported_parameters",
                     "extra_forbidden"), "unsupported_param"),
    **dict.fromkeys(("context_length_exceeded", "exceed_context_size_error", "context_window_exceeded",
                     "contextwindowexceedederror", "max_context_length_exceeded", "model_max_prompt_tokens_exceeded",
                     "prompt_too_long"), "context_length"),
    **dict.fromkeys(("content_filter", "content_policy_violation", "responsibleaipolicyviolation", "safety",
                     "prohibited_content", "data_inspection_failed", "sensitive_words_detected", "cyber_policy",
                     "moderation_blocked", "contentpolicyviolationerror"), "content_filter"),
    **dict.fromkeys(("rate_limit_exceeded", "rate_limit_error", "rate_limited", "ratelimiterror", "too_many_requests",
                     "toomanyrequests", "throttlingexception", "throttling", "resource_exhausted", "rate_limit_reached",
                     "service_tier_capacity_exceeded", "requests", "tokens"), "rate_limit"),
    **dict.fromkeys(("insufficient_quota", "billing_error", "billing_hard_limit_reached", "billing_not_active",
                     "billing_disabled", "insufficient_balance", "insufficient_credits", "credit_limit",
                     "payment_required", "quota_exhausted", "usage_limit_reached", "usage_not_included",
                     "insufficient_user_quota", "credit_limit_exceeded", "budget_exceeded"), "quota"),
    **dict.fromkeys(("overloaded_error", "overloaded", "unavailable", "unavailable_error", "engine_overloaded",
                     "engine_busy", "slow_down", "service_unavailable", "serviceunavailable", "capacity_exceeded",
                     "model_overloaded", "serviceunavailableerror", "no_available_server", "server_overloaded",
                     "model_loading", "over_capacity"), "overloaded"),
    **dict.fromkeys(("timeout_error", "timeout", "deadline_exceeded", "request_timeout", "gateway_timeout",
                     "timeouterror"), "timeout"),
    **dict.fromkeys(("request_too_large", "requestentitytoolarge", "payload_too_large"), "too_large"),
}  # fmt: skip
# Words that many put over anything: they count where the status says nothing better.
GENERAL: Mapping[str, str] = {
    **dict.fromkeys(("invalid_request_error", "invalid_argument", "badrequesterror", "bad_request", "validation_error",
                     "validation", "failed_precondition", "out_of_range", "unprocessableentityerror",
                     "not_supported_error", "tool_use_failed", "json_validate_failed", "invalid_value", "value_error",
                     "invalid_request", "invalid_prompt"), "bad_request"),
    **dict.fromkeys(("server_error", "api_error", "internal", "internal_error", "internal_server_error", "aborted",
                     "internalservererror", "unknown", "data_loss", "generation", "upstream_error"), "server"),
}  # fmt: skip
STATUSES: Mapping[int, str] = {
    401: "auth", 402: "quota", 403: "permission", 404: "not_found", 407: "connection", 408: "timeout", 409: "server",
    410: "not_found", 413: "too_large", 414: "too_large", 423: "overloaded", 424: "server", 425: "server",
    429: "rate_limit", 431: "too_large", 451: "permission", 498: "overloaded", 501: "bad_request", 503: "overloaded",
    504: "timeout", 511: "protocol", 522: "timeout", 524: "timeout", 529: "overloaded", 598: "timeout", 599: "timeout",
}  # fmt: skip
PASSING = frozenset({"rate_limit", "overloaded", "server", "timeout", "connection", "truncated"})

# What is said of a limit that is open again in seconds, whatever else the words say of a quota.
_SHORT_TERM = re.compile(
    r"concurren|per[- ](?:second|minute)|/ ?min|\b[rt]p[ms]\b|(?:try again|retry) in|retry shortly"
)
_LONG_TERM = re.compile(r"per_?day|daily|per_?month")

# What words say, and for which statuses that counts (None: where nothing said one). The first that fits.
_4xx = frozenset({None, 400, 422})
_HINTS: tuple[tuple[str, frozenset[int | None], re.Pattern[str]], ...] = tuple(
    (kind, statuses, re.compile(words))
    for kind, statuses, words in (
        ("context_length", _4xx | {413, 500},
         r"context (?:length|window|size|limit)|(?:prompt|input)(?: length)?(?: is)? too long|input token count"
         r"|too many (?:input )?tokens|reduce the length of|max(?:imum)? (?:prompt|input|sequence) length"
         r"|maximum (?:allowed )?(?:number of )?input (?:tokens|length)|`?inputs`? tokens \+ `?max_new_tokens"),
        ("content_filter", _4xx | {403, 451},
         r"content[ _](?:management|policy|filter|exists risk)|safety (?:system|filter|polic)|flagged (?:as|for|by)"
         r"|usage polic|prompt was blocked|moderation"),
        ("quota", _4xx | {403, 429},
         r"balance (?:is )?(?:too low|not enough)|insufficient[_ ](?:account )?(?:balance|credits?|funds)"
         r"|(?:out of|not enough|used all|no|exceeded) (?:\w+ ){0,3}credits|payment required|billing|recharge"
         r"|spending limit|(?:monthly|daily) (?:\w+ )?(?:limit|quota|allowance)"
         r"|(?:calls?|requests?) ?(?:/|per) ?(?:month|day)"),
        ("auth", _4xx | {401, 403},
         r"(?:invalid|incorrect|missing|wrong|expired|revoked|malformed|no|provide) (?:\w+ ){0,2}"
         r"(?:api[ _-]?key|(?:api|access|auth) token|token$|credential)"
         r"|api[ _-]?key (?:\w+ ){0,2}(?:invalid|not valid|missing|required|expired|not found)|authorization failed"
         r"|unauthori[sz]ed|authentication (?:failed|required|error)|not authenticated|not logged in"),
        ("not_found", _4xx | {403, 404},
         r"model.{0,120}(?:not found|does ?n[o']t exist|not exist|not supported|unavailable|no longer available"
         r"|decommissioned)|(?:unknown|invalid|no such|not a valid) model|no endpoints found|pulling it first"
         r"|deployment.{0,80}does not exist"),
        ("overloaded", frozenset({None, 500, 503, 529}),
         r"overloaded|(?:over|at|no) capacity|too busy|loading model|model is (?:currently )?loading"
         r"|currently loading|high demand|engine busy|temporarily unavailable"),
        ("rate_limit", frozenset({None, 400, 403, 500, 502, 503}), r"rate.?limit(?:ed)?\b|too many requests"),
        ("timeout", frozenset({None, 500, 502, 503}), r"timed? ?-?out|deadline exceeded"),
    )
)  # fmt: skip
_NO_KEY = re.compile(r"unregistered callers|reported as leaked")  # Google's, with PERMISSION_DENIED
_LOADING = re.compile(r"loading model|(?:currently|still) loading|model is loading")


def kind_of(status: int | None, said: Said) -> str:
    """The kind. status: of HTTP, None where it was a success; the status that the body names is in `said`."""
    told = trusted(status, said.status)
    words = _words(said)
    kind = next((CODES[code] for code in said.codes if code in CODES), None)
    if kind in {"rate_limit", "quota"}:
        return _limit(kind, told, said, words)
    if kind in {"permission", "not_found"} and told in {401, 403} and (told == 401 or _NO_KEY.search(words)):
        return "auth"
    if kind is not None:
        return kind
    if told in {None, 400, 403, 404, 405, 415, 422, 500, 501} and unsupported(said) is not None:
        return "unsupported_param"
    for hinted, statuses, pattern in _HINTS:
        if told in statuses and pattern.search(words):
            return _limit(hinted, told, said, words) if hinted == "quota" else hinted
    general = next((GENERAL[code] for code in said.codes if code in GENERAL), None)
    if told is None:
        return general or "server"
    if told in STATUSES:
        return STATUSES[told]
    return "server" if told >= 500 else "bad_request"


def trusted(status: int | None, named: int | None) -> int | None:
    """The status that counts: HTTP's where it is a telling one, else the one that the body names."""
    if named is not None and (status is None or status < 400 or status in {400, 422} or status >= 500):
        return named
    return status if status is not None and status >= 400 else None


def is_loading(kind: str, said: Said) -> bool:
    """Whether a server that runs models itself says that it is still reading one."""
    return kind == "overloaded" and ("model_loading" in said.codes or _LOADING.search(_words(said)) is not None)


def is_passing(kind: str, status: int | None) -> bool:
    """Whether the same request may succeed later."""
    return kind in PASSING and status not in {407, 501, 505, 510, 525, 526}


def _limit(kind: str, status: int | None, said: Said, words: str) -> str:
    """Which limit is meant: one that opens again soon, one that money opens, or the size of one request."""
    if status == 413 or "request too large" in words:
        return "too_large"
    short_term = _SHORT_TERM.search(words) is not None
    if kind == "rate_limit":
        long_term = any(_LONG_TERM.search(code) for code in said.codes)
        return "quota" if long_term else "rate_limit"
    return "rate_limit" if short_term and status in {None, 429} else "quota"


def _words(said: Said) -> str:
    return " ".join(" ".join(said.hints)[:4000].lower().split())
