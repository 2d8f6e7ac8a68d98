"""Each load parameter has its effect on a real worker, which says what it took, and answers still come."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.random_gguf import Shape, write
from modelhub.errors import BadRequest
from modelhub.kernels.engines.local import LocalEngine
from modelhub.kernels.hub import Hub
from modelhub.kernels.protocol.load_params import CACHE_TYPES, FLOATS

ENDLESS = {0: -100, 1: -100, 2: -100}
WIDE = Shape(width=128, heads=2, kv_heads=1)  # heads of 64 values, so that quantised types fit


@pytest.fixture(scope="module")
def wide_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("models") / "wide.gguf", WIDE)


def loaded(hub: Hub, path: Path, **params: Any) -> dict[str, Any]:
    return hub.load(str(path), reload=True, **params).loaded


def text(hub: Hub, path: Path, **options: Any) -> str:
    asked = {"max_tokens": 12, "temperature": 0, "logit_bias": ENDLESS, **options}
    return hub.chat("a question of some words", model=str(path), **asked).text()


@pytest.mark.parametrize(
    ("given", "in_force"),
    [
        ({}, {"context": 512, "cells": 16 * 512, "kv_unified": False, "flash_attn": "off", "mmap": True, "ubatch": 128,
              "batch": 512, "slots": 16, "threads": 1, "gpu_layers": 0, "gpus": [], "notes": [], "mlock": False,
              "cache_type_k": "f16", "cache_type_v": "f16"}),
        ({"context": 256, "slots": 2}, {"context": 256, "slots": 2, "cells": 512}),
        ({"threads": 2}, {"threads": 2}),
        ({"batch": 64}, {"batch": 64, "ubatch": 64}),
        ({"ubatch": 32}, {"batch": 512, "ubatch": 32}),
        ({"kv_unified": True, "slots": 3}, {"kv_unified": True, "cells": 3 * 512, "slot_cells": 3 * 512}),
        ({"kv_unified": False, "slots": 3}, {"kv_unified": False, "cells": 3 * 512, "slot_cells": 512}),
        ({"kv_unified": False, "slots": 2, "context": 300}, {"cells": 2 * 512, "context": 300}),
        ({"flash_attn": "on"}, {"flash_attn": "on"}),
        ({"cache_type_k": "q8_0"}, {"cache_type_k": "q8_0", "flash_attn": "off"}),
        ({"cache_type_v": "q4_0"}, {"cache_type_v": "q4_0", "flash_attn": "on"}),
        ({"mmap": False}, {"mmap": False}),
        ({"mlock": True}, {"mlock": True}),
        ({"gpu_layers": 5}, {"gpu_layers": 0}),
        ({"split_mode": "none", "tensor_split": (3, 1), "main_gpu": 1}, {"split_mode": "none", "tensor_split": [3, 1]}),
    ],
)  # fmt: skip
def test_it_is_used_and_said(own_hub: Hub, wide_gguf: Path, given: dict[str, Any], in_force: dict[str, Any]) -> None:
    """What was asked for is in force and what was left open is settled, with no "auto" left on a CPU."""
    facts = loaded(own_hub, wide_gguf, **given)
    assert {name: facts[name] for name in in_force} == in_force
    assert "auto" not in facts.values() and facts["mmap"] is not None
    assert text(own_hub, wide_gguf)


@pytest.mark.parametrize("kind", sorted(set(CACHE_TYPES) - set(FLOATS)))
def test_quantised_keys_and_values_answer(own_hub: Hub, wide_gguf: Path, kind: str) -> None:
    """Every quantised type is taken for both, and the answer is of the same length."""
    facts = loaded(own_hub, wide_gguf, cache_type_k=kind, cache_type_v=kind)
    assert (facts["cache_type_k"], facts["cache_type_v"], facts["flash_attn"]) == (kind, kind, "on")
    assert text(own_hub, wide_gguf)


@pytest.mark.parametrize("kind", FLOATS)
def test_keys_and_values_that_are_not_quantised_answer(own_hub: Hub, wide_gguf: Path, kind: str) -> None:
    """Every other type is taken for both, with flash attention left off."""
    facts = loaded(own_hub, wide_gguf, cache_type_k=kind, cache_type_v=kind)
    assert (facts["cache_type_k"], facts["cache_type_v"], facts["flash_attn"]) == (kind, kind, "off")
    assert text(own_hub, wide_gguf)


def test_quantised_weights_are_not_mapped(own_hub: Hub, tmp_path: Path) -> None:
    """On a CPU a quantised file is read, one of floats mapped; what is said by hand holds."""
    path = write(tmp_path / "q4.gguf", Shape(width=128, heads=2, kv_heads=1, quant="Q4_0"))
    assert loaded(own_hub, path)["mmap"] is False
    assert loaded(own_hub, path, mmap=True)["mmap"] is True
    assert text(own_hub, path)


def test_rope_changes_what_is_said(own_hub: Hub, wide_gguf: Path) -> None:
    """Another base, a scale and YaRN each make another text of the same weights; without them it is the first again."""
    ways: list[dict[str, Any]] = [
        {"slots": 15}, {"rope_freq_base": 500.0}, {"rope_scaling": "linear", "rope_freq_scale": 0.25},
        {"rope_scaling": "yarn", "rope_freq_scale": 0.25, "yarn_orig_ctx": 128},
    ]  # fmt: skip
    texts = []
    for way in ways:
        assert {k: v for k, v in loaded(own_hub, wide_gguf, **way).items() if k in way} == way
        texts.append(text(own_hub, wide_gguf, max_tokens=40))
    assert len(set(texts)) == len(ways)
    loaded(own_hub, wide_gguf, slots=14)
    assert text(own_hub, wide_gguf, max_tokens=40) == texts[0]


def test_a_long_context_is_cut_and_said(own_hub: Hub, tmp_path: Path) -> None:
    """A model trained for more than fits gets what fits, and one line says so; asked for by number, none does."""
    path = write(tmp_path / "long.gguf", Shape(layers=16, width=256, heads=4, kv_heads=4, context=1 << 26))
    facts = loaded(own_hub, path, slots=1)
    assert 2048 <= facts["context"] < facts["trained_context"] == 1 << 26
    assert facts["notes"] == [f"context {facts['context']:,} of 67,108,864: what fits in memory"]
    assert loaded(own_hub, path, context=1024)["notes"] == []


def test_a_context_beyond_what_it_was_trained_for_is_said(own_hub: Hub, wide_gguf: Path) -> None:
    """A model may be given more context than it was trained for; one line says what that is worth."""
    (note,) = loaded(own_hub, wide_gguf, context=1024)["notes"]
    assert note == "context 1,024: it was trained for 512, and answers beyond that are worth little"
    assert loaded(own_hub, wide_gguf, context=1024, rope_freq_scale=0.5)["notes"] == []


def test_a_context_that_cannot_fit_is_refused(own_hub: Hub, wide_gguf: Path) -> None:
    """A context greater than the memory is one line with what would fit; the next question loads it as it was."""
    loaded(own_hub, wide_gguf, context=256)
    with pytest.raises(BadRequest, match=r"cannot load .*100,000,000 tokens takes .* fit; type -c \d+$") as caught:
        own_hub.load(str(wide_gguf), context=100_000_000, reload=True)
    assert "\n" not in str(caught.value)
    assert own_hub.engine(str(wide_gguf)).state == "downloaded"
    assert text(own_hub, wide_gguf)
    assert own_hub.engine(str(wide_gguf)).loaded["context"] == 256


def test_heads_too_narrow_for_blocks(own_hub: Hub, random_gguf: Path) -> None:
    """A quantised type whose blocks do not divide the heads is refused with the widths."""
    with pytest.raises(BadRequest, match=r"cache_type_k='q8_0' needs heads of a multiple of 32 .* have 16; take f16"):
        own_hub.load(str(random_gguf), cache_type_k="q8_0")


@pytest.mark.parametrize(
    "wrong",
    [{"flash_attn": True}, {"cache_type_k": "q6_K"}, {"cache_type_v": "q8_0", "flash_attn": "off"}, {"mmap": "on"},
     {"gpu_layers": "all"}, {"rope_scaling": "longrope"}, {"tensor_split": "3,1"}, {"n_gpu_layers": 1}],
)  # fmt: skip
def test_a_wrong_value_starts_nothing(own_hub: Hub, random_gguf: Path, wrong: dict[str, Any]) -> None:
    """It is refused in one line, the model stays as it was."""
    with pytest.raises(BadRequest) as caught:
        own_hub.load(str(random_gguf), **wrong)
    assert "\n" not in str(caught.value)
    assert own_hub.engine(str(random_gguf)).state == "downloaded"


def test_auto_is_the_default(own_hub: Hub, random_gguf: Path) -> None:
    """Saying "auto" loads as saying nothing does: the same worker stays."""
    pid = own_hub.load(str(random_gguf)).pid
    assert own_hub.load(str(random_gguf), gpu_layers="auto", threads="auto", mmap="auto").pid == pid


def test_the_worker_waits_without_spinning(own_hub: Hub, wide_gguf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenMP's threads are told to look ten thousand times before they sleep, unless the user said how to wait."""

    def environment(engine: LocalEngine) -> dict[str, str]:
        raw = Path(f"/proc/{engine.pid}/environ").read_text().split("\0")
        return dict(entry.split("=", 1) for entry in raw if entry)

    assert environment(own_hub.load(str(wide_gguf)))["GOMP_SPINCOUNT"] == "10000"
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    found = environment(own_hub.load(str(wide_gguf), reload=True))
    assert found["OMP_WAIT_POLICY"] == "active" and "GOMP_SPINCOUNT" not in found
