"""Bodies of errors as they are met, and what they are: one row each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

GOOGLE = "type.googleapis.com/google.rpc."


@dataclass(frozen=True)
class Row:
    """One reply. body: JSON data, or bytes as they are. kind, retryable, says, param, wait: what must come of it."""

    name: str
    status: int
    body: Any
    kind: str
    retryable: bool = False
    says: str = ""
    param: str | None = None
    wait: float | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def sent(self) -> bytes:
        """The body's bytes."""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


def openai(message: str, kind: str | None = None, code: Any = None, param: str | None = None, **more: Any) -> Any:
    return {"error": {"message": message, "type": kind, "param": param, "code": code, **more}}


def anthropic(kind: str, message: str) -> Any:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_011"}


def google(code: int, status: str, message: str, *details: Any) -> Any:
    return {"error": {"code": code, "message": message, "status": status, "details": list(details)}}


NO_MODEL = "The model `gpt-9` does not exist or you do not have access to it."
TOO_LONG = "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens."
QUOTA = "You exceeded your current quota, please check your plan and billing details."

TABLE = (
    # OpenAI and who speaks as it does
    Row("openai bad key", 401, openai("Incorrect API key provided: sk-ab***yz12.", "invalid_request_error",
        "invalid_api_key"), "auth", says="%models keys set corp"),
    Row("openai no key", 401, openai("You didn't provide an API key.", "invalid_request_error"), "auth"),
    Row("openai country", 403, openai("Country not supported", "request_forbidden",
        "unsupported_country_region_territory"), "permission"),
    Row("openai model", 404, openai(NO_MODEL, "invalid_request_error", "model_not_found"), "not_found",
        says="%models refresh corp"),
    Row("openai model, no code", 404, openai(NO_MODEL, "invalid_request_error"), "not_found"),
    Row("openai length", 400, openai(TOO_LONG, "invalid_request_error", "context_length_exceeded", "messages"),
        "context_length", says="8192", param="messages"),
    Row("openai quota", 429, openai(QUOTA, "insufficient_quota", "insufficient_quota"), "quota", says="used up"),
    Row("openai quota, words alone", 429, openai(QUOTA), "quota"),
    Row("openai billing limit", 400, openai("Billing hard limit has been reached", "billing_limit_user_error",
        "billing_hard_limit_reached"), "quota"),
    Row("openai rate", 429, openai("Rate limit reached for gpt-x in organization org-abc12345 on tokens per min "
        "(TPM): Limit 10000, Used 9000. Please try again in 6.2s.", "tokens", "rate_limit_exceeded"), "rate_limit",
        True, "ask again in 7 s", wait=6.2),
    Row("openai one request above the limit", 429, openai("Request too large for gpt-x on tokens per min (TPM): Limit "
        "10000, Requested 20000.", "tokens", "rate_limit_exceeded"), "too_large"),
    Row("openai value", 400, openai("Unsupported value: 'temperature' does not support 0.2 with this model. Only the "
        "default (1) value is supported.", "invalid_request_error", "unsupported_value", "temperature"),
        "unsupported_param", says="leave temperature out", param="temperature"),
    Row("openai old wording", 400, openai("Unrecognized request argument supplied: top_k", "invalid_request_error"),
        "unsupported_param", param="top_k"),
    Row("openai wrong value", 400, openai("Invalid 'n': integer below minimum value.", "invalid_request_error",
        "integer_below_min_value", "n"), "bad_request", says="below minimum", param="n"),
    Row("openai role", 400, openai("Unsupported value: 'messages[0].role' does not support 'developer' with this "
        "model.", "invalid_request_error", "unsupported_value", "messages[0].role"), "unsupported_param",
        param="messages[0].role"),
    Row("openai max", 400, openai("max_tokens is too large: 20000. This model supports at most 4096 completion tokens.",
        "invalid_request_error", "invalid_value", "max_tokens"), "bad_request", param="max_tokens"),
    Row("openai picture", 400, openai("This model does not support image input."), "bad_request"),
    Row("openai json", 400, openai("'messages' must contain the word 'json' in some form", None, None, "messages"),
        "bad_request", param="messages"),
    Row("openai content", 400, openai("Invalid prompt: your prompt was flagged as potentially violating our usage "
        "policy.", "invalid_request_error", "invalid_prompt"), "content_filter"),
    Row("openai 500", 500, openai("The server had an error while processing your request.", "server_error"), "server",
        True, "it calls the request req_7", headers={"x-request-id": "req_7"}),
    Row("openai slow down", 503, openai("Slow down", "service_unavailable_error", "slow_down"), "overloaded", True),
    Row("should retry", 400, openai("odd"), "bad_request", True, headers={"x-should-retry": "true"}),
    Row("groq size", 413, openai("Request too large for model `x` on tokens per minute (TPM): Limit 6000.", "tokens",
        "rate_limit_exceeded"), "too_large"),
    Row("groq property", 400, openai("property 'top_k' is unsupported", "invalid_request_error"),
        "unsupported_param", param="top_k"),
    Row("groq call", 400, openai("Failed to call a function.", "invalid_request_error", "tool_use_failed",
        failed_generation="<function=x>", status_code=400), "bad_request"),
    Row("groq flex", 498, openai("capacity exceeded", "capacity_exceeded"), "overloaded", True),
    Row("deepseek balance", 402, openai("Insufficient Balance", "unknown_error", "invalid_request_error"), "quota"),
    Row("deepseek content", 400, openai("Content Exists Risk", "invalid_request_error"), "content_filter"),
    Row("together credit", 402, openai("Credit limit exceeded", "credit_limit"), "quota"),
    Row("perplexity model", 400, openai("Invalid model 'x'.", "invalid_model", 400), "not_found"),
    Row("vllm old, unknown model", 404, {"object": "error", "message": "The model `x` does not exist.",
        "type": "NotFoundError", "param": None, "code": 404}, "not_found"),
    Row("vllm wrapped", 400, openai("max_tokens must be at least 1, got 0.", "BadRequestError", 400), "bad_request",
        param="max_tokens"),
    Row("litellm proxy", 400, openai("litellm.BadRequestError: x does not support parameters: ['logit_bias']", None,
        "400"), "unsupported_param", param="logit_bias"),
    Row("azure deployment", 404, {"error": {"code": "DeploymentNotFound", "message": "The API deployment for this "
        "resource does not exist."}}, "not_found"),
    Row("azure gateway", 401, {"statusCode": 401, "message": "Access denied due to invalid subscription key."}, "auth"),
    Row("azure gateway, rate", 429, {"statusCode": 429, "message": "Rate limit is exceeded. Try again in 26 seconds."},
        "rate_limit", True, wait=26),
    Row("azure rate", 429, {"error": {"code": "429", "message": "Requests have exceeded call rate limit."}},
        "rate_limit", True, wait=1.5, headers={"retry-after-ms": "1500", "retry-after": "2"}),
    Row("azure filter, inside", 400, openai("bad", None, None, innererror={"code": "ResponsibleAIPolicyViolation"}),
        "content_filter"),
    # Anthropic
    Row("anthropic key", 401, anthropic("authentication_error", "invalid x-api-key"), "auth"),
    Row("anthropic permission", 403, anthropic("permission_error", "Your key cannot use this."), "permission"),
    Row("anthropic model", 404, anthropic("not_found_error", "model: claude-9"), "not_found"),
    Row("anthropic size", 413, anthropic("request_too_large", "Request exceeds the maximum size"), "too_large"),
    Row("anthropic length", 400, anthropic("invalid_request_error", "prompt is too long: 210000 tokens > 200000 "
        "maximum"), "context_length"),
    Row("anthropic credit", 400, anthropic("invalid_request_error", "Your credit balance is too low to access the "
        "API."), "quota"),
    Row("anthropic billing", 403, anthropic("billing_error", "pay"), "quota"),
    Row("anthropic extra", 400, anthropic("invalid_request_error", "logprobs: Extra inputs are not permitted"),
        "unsupported_param", param="logprobs"),
    Row("anthropic newest", 400, anthropic("invalid_request_error", "`temperature` is deprecated for this model."),
        "unsupported_param", param="temperature"),
    Row("anthropic range", 400, anthropic("invalid_request_error", "temperature: range: 0..1"), "bad_request"),
    Row("anthropic timeout", 504, anthropic("timeout_error", "timed out"), "timeout", True),
    Row("anthropic api", 500, anthropic("api_error", "Internal server error"), "server", True),
    # Gemini
    Row("gemini key", 400, google(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.",
        {"@type": GOOGLE + "ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"}), "auth"),
    Row("gemini key, words alone", 400, google(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid one."),
        "auth"),
    Row("gemini array", 400, [google(400, "INVALID_ARGUMENT", "Logprobs is not enabled for models/gemini-x")],
        "unsupported_param", param="logprobs"),
    Row("gemini name", 400, google(400, "INVALID_ARGUMENT", 'Invalid JSON payload received. Unknown name "top_a" at '
        "'generation_config': Cannot find field.", {"@type": GOOGLE + "BadRequest", "fieldViolations": [
        {"field": "generation_config", "description": "x"}]}), "unsupported_param", param="top_a"),
    Row("gemini length", 400, google(400, "INVALID_ARGUMENT", "The input token count (2) exceeds the maximum number "
        "of tokens allowed (1)."), "context_length"),
    Row("gemini day", 429, google(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota.",
        {"@type": GOOGLE + "QuotaFailure", "violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel"}]},
        {"@type": GOOGLE + "RetryInfo", "retryDelay": "12s"}), "quota", wait=12),
    Row("gemini by openai's path", 429, [openai(f"{QUOTA} Please retry in 1m4.5s.", None, 429)], "rate_limit", True,
        wait=64.5),
    Row("gemini busy", 503, google(503, "UNAVAILABLE", "The model is overloaded."), "overloaded", True),
    Row("gemini no key", 403, google(403, "PERMISSION_DENIED", "Method doesn't allow unregistered callers."), "auth"),
    Row("gemini permission", 403, google(403, "PERMISSION_DENIED", "no"), "permission"),
    Row("gemini model", 404, google(404, "NOT_FOUND", "models/x is not found for API version v1beta, or is not "
        "supported for generateContent."), "not_found", says="%models refresh corp"),
    Row("gemini place", 400, google(400, "FAILED_PRECONDITION", "User location is not supported for the API use."),
        "bad_request"),
    Row("gemini deadline", 504, google(504, "DEADLINE_EXCEEDED", "x"), "timeout", True),
    # routers and gateways
    Row("openrouter nested JSON", 400, {"error": {"code": 400, "message": "Provider returned error", "metadata": {
        "raw": json.dumps(openai("max_tokens is not supported", "invalid_request_error")), "provider_name": "Acme"}},
        "user_id": "user_2aBcDeFgHiJ"}, "unsupported_param", says="Acme: max_tokens is not supported",
        param="max_tokens"),
    Row("openrouter moderation", 403, {"error": {"code": 403, "message": "Your input was flagged", "metadata": {
        "reasons": ["harassment"], "flagged_input": "secret words", "provider_name": "Acme"}}}, "content_filter",
        says="harassment"),
    Row("openrouter credits", 402, {"error": {"code": 402, "message": "Insufficient credits."}}, "quota"),
    Row("openrouter tools", 404, {"error": {"code": 404, "message": "No endpoints found that support tool use."}},
        "unsupported_param", param="tools"),
    Row("openrouter in a 502", 502, {"error": {"code": 429, "message": "Provider returned error"}}, "rate_limit", True),
    Row("openrouter parameters", 404, {"error": {"code": 404, "message": "No endpoints found that can handle the "
        "requested parameters."}}, "unsupported_param", says="leave out what it does not take"),
    Row("prose for a code", 429, {"code": "INSUFFICIENT QUOTA", "message": "slow down"}, "rate_limit", True),
    Row("quoted model", 400, openai("The model 'llama3' is not supported here."), "not_found"),
    Row("xai key", 400, {"code": "Client specified an invalid argument", "error": "Incorrect API key provided: xa***."},
        "auth", says="Incorrect API key"),
    Row("xai credits", 403, {"code": "The caller does not have permission", "error": "Your team has used all available "
        "credits."}, "quota"),
    Row("xai argument", 400, {"code": "invalid", "error": "Argument not supported on this model: presencePenalty"},
        "unsupported_param", param="presencePenalty"),
    Row("cloudflare", 401, {"success": False, "errors": [{"code": 10000, "message": "Authentication error"}]}, "auth"),
    Row("kong", 401, {"message": "No API key found in request"}, "auth"),
    Row("apigee", 429, {"fault": {"faultstring": "Rate limit quota violation", "detail": {"errorcode": "policies."
        "ratelimit.QuotaViolation"}}}, "rate_limit", True, says="Rate limit quota violation"),
    Row("aspnet", 400, {"Message": "no such thing"}, "bad_request", says="no such thing"),
    Row("spring", 404, {"timestamp": 1, "status": 404, "error": "Not Found", "path": "/v1"}, "not_found",
        says="Not Found; look at its address"),
    Row("aws", 400, {"__type": "ThrottlingException", "message": "Rate exceeded"}, "rate_limit", True),
    # Mistral, Cohere, NIM, Hugging Face
    Row("mistral key", 401, {"detail": "Unauthorized"}, "auth"),
    Row("mistral extra", 422, {"detail": [{"type": "extra_forbidden", "loc": ["body", "top_a"], "msg": "Extra inputs "
        "are not permitted", "input": 1}]}, "unsupported_param", says="top_a: Extra inputs", param="top_a"),
    Row("mistral capacity", 429, {"object": "error", "message": "Service tier capacity exceeded for this model.",
        "type": "service_tier_capacity_exceeded", "param": None, "code": "3505"}, "rate_limit", True),
    Row("fastapi twice", 422, {"detail": [{"loc": ["body", "messages", 0, "content"], "msg": "Field required"},
        {"loc": ["body", "n"], "msg": "too many"}]}, "bad_request", says="messages.0.content: Field required; n: too",
        param="messages.0.content"),
    Row("cohere key", 401, {"message": "invalid api token", "id": "e2"}, "auth"),
    Row("cohere trial", 429, {"message": "You are using a Trial key, which is limited to 1000 API calls / month."},
        "quota"),
    Row("cohere trial, minute", 429, {"message": "You are using a Trial key, which is limited to 10 API calls / "
        "minute."}, "rate_limit", True),
    Row("nim model", 404, {"status": 404, "title": "Not Found", "detail": "Function 'x': Not found for account"},
        "not_found"),
    Row("azure rate, in words", 429, {"error": {"code": "429", "message": "Requests have exceeded token rate limit of "
        "your current AIServices S0 pricing tier. Please retry after 26 seconds."}}, "rate_limit", True, wait=26),
    Row("anthropic limit", 400, anthropic("invalid_request_error", "input length and `max_tokens` exceed context "
        "limit: 190000 + 20000 > 200000, decrease input length or `max_tokens` and try again"), "context_length"),
    Row("go", 404, b"404 page not found", "not_found", says="look at its address"),
    Row("nim", 402, {"type": "about:blank", "status": 402, "title": "Payment Required", "detail": "Cloud credits "
        "expired"}, "quota", says="Cloud credits expired"),
    Row("hf loading", 503, {"error": "Model x is currently loading", "estimated_time": 20.0}, "overloaded", True,
        "still loading", wait=20),
    Row("hf list", 422, {"error": ["`temperature` must be strictly positive", "b"]}, "bad_request",
        param="temperature"),
    Row("tgi length", 422, {"error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096",
        "error_type": "validation"}, "context_length",
        param="max_new_tokens"),
    # servers of one's own
    Row("ollama model", 404, {"error": "model 'x' not found"}, "not_found"),
    Row("ollama tools", 400, {"error": '"registry.ollama.ai/library/x" does not support tools'}, "unsupported_param",
        param="tools"),
    Row("llama.cpp length", 400, openai("the request exceeds the available context size", "exceed_context_size_error",
        400), "context_length"),
    Row("llama.cpp key", 401, openai("Invalid API Key", "authentication_error", 401), "auth"),
    Row("llama.cpp cannot", 501, openai("This server does not support embeddings", "not_supported_error", 501),
        "bad_request"),
    Row("lmstudio length", 400, {"error": "The number of tokens to keep from the initial prompt is greater than the "
        "context length."}, "context_length"),
    # no JSON, or hardly any
    Row("plain", 429, b"Too Many Requests", "rate_limit", True, "Too Many Requests"),
    Row("plain 500 that is a rate limit", 500, b"upstream: 429 Too Many Requests", "rate_limit", True),
    Row("nginx 413", 413, b"<html><head><title>413 Request Entity Too Large</title></head></html>", "too_large",
        says="Entity Too Large"),
    Row("nginx 502", 502, b"<html>\r\n<head><title>502 Bad Gateway</title></head><body>x</body></html>", "server", True,
        "with a web page: 502 Bad Gateway; ask again later"),
    Row("cloudflare 503", 503, b"<!DOCTYPE html><title>Just a moment&hellip;</title>", "overloaded", True, "a moment…"),
    Row("page without a title", 404, b"<!doctype html><script>x()</script><p>No such <b>page</b>", "not_found",
        says="No such page; look at its address"),
    Row("empty 502", 502, b"", "server", True, "Bad Gateway"),
    Row("empty 401", 401, b"", "auth", says="Unauthorized"),
    Row("408", 408, b"", "timeout", True),
    Row("409", 409, b"", "server", True),
    Row("405", 405, b"Method Not Allowed", "bad_request", says="%models provider show corp"),
    Row("511", 511, b"", "protocol"),
    Row("odd status", 799, b"?", "server", True),
    Row("half JSON", 500, b'{"error":{"message":"half of it","type":"overloaded_error","par', "overloaded", True,
        "answered 500: half of it; ask"),
    Row("an event", 400, b'event: error\ndata: {"error":{"message":"in an event","code":"model_not_found"}}\n\n',
        "not_found", says="in an event"),
    Row("latin-1", 400, "Requête refusée".encode("latin-1"), "bad_request", says="Requête refusée",
        headers={"content-type": "text/plain; charset=iso-8859-1"}),
    Row("utf-16", 400, "Requête refusée".encode("utf-16"), "bad_request", says="Requête refusée"),
    Row("wrong types", 400, {"error": {"message": {"a": [1]}, "type": 7, "param": ["x"], "code": {}}}, "bad_request"),
    Row("null", 400, {"error": None}, "bad_request", says="Bad Request"),
    Row("a redirect", 302, b"", "protocol", says="https://elsewhere.example,",
        headers={"location": "https://elsewhere.example/v1?key=abc"}),
    Row("a sign-in page", 200, b"<html><head><title>Sign in to the network</title></head></html>", "protocol",
        says="Sign in to the network"),
)  # fmt: skip
