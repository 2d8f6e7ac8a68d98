"""A Secret shows at most the last four letters of its key, whatever is done with it."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import json
import pickle
import pprint
from typing import Any

import pydantic
import pytest

from modelhub.kernels.redaction import scrub, scrub_data
from modelhub.kernels.secret import Secret

CANARY = "sk-canary-7f3a9c51e2d8b604"


class Asked(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)
    key: Secret
    more: Any = None


@dataclasses.dataclass
class Holder:
    key: Secret


def test_no_way_of_showing_it_shows_it() -> None:
    """repr, str, format, JSON, pydantic, pickle, copies, pprint and a look at its attributes give four letters."""
    secret = Secret(CANARY)
    asked = Asked(key=secret)
    shown = [
        repr(secret), str(secret), f"{secret}", f"{secret:>20}", f"{secret!r}", f"{[secret]}",
        str([secret, {1: secret}]),
        json.dumps({"key": secret}, default=str), json.dumps(secret, default=repr), pprint.pformat({"key": secret}),
        repr(asked), str(asked.model_dump()), str(asked.model_dump(mode="json")), asked.model_dump_json(),
        repr(Asked(key=secret, more=[secret]).model_dump()), repr(Holder(secret)),
        str(dataclasses.asdict(Holder(secret))),
        *(repr(pickle.loads(pickle.dumps(secret, n))) for n in range(pickle.HIGHEST_PROTOCOL + 1)),
        str(pickle.dumps(secret)), str(pickle.dumps({"a": [secret]})),
        repr(copy.copy(secret)), repr(copy.deepcopy([secret])), repr(secret.__getstate__()), repr(secret.__reduce__()),
        repr(inspect.getmembers(secret)), repr({n: getattr(secret, n) for n in secret.__slots__}),
    ]  # fmt: skip
    for text in shown:
        assert "canary" not in text and CANARY[3:-4] not in text, text
    assert str(secret) == "…b604" and repr(secret) == "Secret(…b604)"
    assert asked.model_dump_json() == '{"key":"…b604","more":null}'
    with pytest.raises(TypeError):
        vars(secret)
    with pytest.raises(TypeError):
        json.dumps(secret)
    assert not hasattr(secret, "__dict__") and not hasattr(secret, "_repr_html_")


def test_it_gives_its_key_when_asked() -> None:
    """`reveal` gives the key, also of a copy; equal keys are equal, and a text is never equal to one."""
    secret = Secret(CANARY)
    assert secret.reveal() == copy.deepcopy({"a": secret})["a"].reveal() == CANARY
    assert secret == Secret(CANARY) and secret != Secret(CANARY + "x") and secret != CANARY
    assert len({secret, Secret(CANARY), Secret("other-key-1")}) == 2
    assert Secret("\udc80é") == Secret("\udc80é")


def test_a_short_key_shows_nothing() -> None:
    """Four letters of a short key would be too much of it."""
    assert (str(Secret("12345678901")), str(Secret("123456789012")), Secret("abc").last_four) == ("…", "…9012", "")


def test_texts_are_scrubbed_of_keys_that_were_met() -> None:
    """Every key the process has held is masked in texts and JSON, whatever it looks like; short words are left."""
    for key in ("plainwordsofakeythatislong", "c0rp-t0ken", CANARY):
        Secret(key)
        assert key not in scrub(f"before {key}, after") and "before" in scrub(f"before {key}")
        assert scrub_data({"a": [f"x{key}y", 5, None], key: 1}) != {"a": [f"x{key}y", 5, None], key: 1}
        assert key not in json.dumps(scrub_data({"a": [f"x{key}y"], key: 1}))
    Secret("longer-k3y"), Secret("longer-k3y-with-more")
    assert scrub("longer-k3y-with-more") == "…more"
    Secret("EMPTY"), Secret("lm-studio")
    assert scrub("lm-studio/qwen is EMPTY") == "lm-studio/qwen is EMPTY"


@pytest.mark.parametrize(
    "key",
    [
        "sk-proj-aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0", "sk-ant-api03-Zk9-xQ2wE4rT6yU8iO0pA1sD3fG5hJ7kL9",
        "sk-or-v1-0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d", "gsk_aB3dE6gH9jK2mN5pQ8sT1vW4yZ7aB3dE6gH9",
        "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", "nvapi-aB3dE6_H9jaB3dE6_H9jaB3dE6_H9jaB3dE6",
        "AIzaSyD-9tSrke72PouQMnMX-a7eZSW0jkFMBWY", "xai-aB3dE6gH9jaB3dE6gH9jaB3dE6gH9j",
        "pplx-0a1b2c3d4e5f60718293a4b5",
    ],
)  # fmt: skip
def test_texts_are_scrubbed_of_what_looks_like_a_key(key: str) -> None:
    """A key of a known shape is masked though it was never met, in a header, an address, JSON and a sentence."""
    for text in (f"Bearer {key}", f"https://x.example/v1?key={key}&a=1", f'{{"k": "{key}"}}', f"\n{key}.", f"({key})"):
        assert key not in scrub(text) and key[-4:] in scrub(text)


@pytest.mark.parametrize(
    "text",
    [
        "sk-learn-contrib-2024-beta and task-1234567890abcdefgh", "hf_hub_download of TheBloke/Llama-2-7B-GGUF",
        "sk-... or sk-your-key-here or sk-xxxxxxxxxxxxxxxxxxxx",
        "accounts/fireworks/models/fw_llama_v3p1_405b_instruct",
        "claude-3-5-sonnet-20241022", "d41d8cd98f00b204e9800998ecf8427e", "xai-grok-something-very-long-indeed",
    ],
)  # fmt: skip
def test_other_texts_are_left_as_they_are(text: str) -> None:
    """Names of models and packages, hashes and placeholders stay."""
    assert scrub(text) == text
