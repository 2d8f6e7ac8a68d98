"""The chain of samplers of one sequence, built natively by llama.cpp.

Order, as llama.cpp's own default has it: logit bias, penalties, top-k, top-p, min-p, temperature, draw. Defaults are
OpenAI's: temperature 1, top-p 1, everything else off; temperature 0 is greedy.
"""

from __future__ import annotations

from typing import Any

from llama_cpp import llama_cpp as lc

MIN_KEEP = 1
GREEDY_BELOW = 1e-6  # a temperature: logits divided by less overflow
RANDOM_SEED = 0xFFFFFFFF  # llama.cpp draws a seed of its own for this one (llama.h, LLAMA_DEFAULT_SEED)
BAN = -100.0  # OpenAI: a bias of -100 bans the token


def build(params: dict[str, Any], seed: int, vocabulary_size: int, window: int) -> tuple[Any, list[str]]:
    """A sampler chain for `params` (keys as in `protocol.plan.Sampling`) and the names of what is in it.

    `seed` is an unsigned 32-bit number; `window` is how many tokens the penalties look back on.
    """
    chain = lc.llama_sampler_chain_init(lc.llama_sampler_chain_default_params())
    names: list[str] = []

    def add(sampler: Any, name: str) -> None:
        if not sampler:  # a NULL in the chain would end the process at the first token
            raise ValueError(f"llama.cpp could not build the sampler {name}")
        lc.llama_sampler_chain_add(chain, sampler)
        names.append(name)

    bias = {int(k): float(v) for k, v in params["logit_bias"].items()}
    if bias:
        rows = (lc.llama_logit_bias * len(bias))()
        for row, (token, value) in zip(rows, sorted(bias.items()), strict=True):
            row.token, row.bias = token, float("-inf") if value <= BAN else value
        add(lc.llama_sampler_init_logit_bias(vocabulary_size, len(bias), rows), f"logit_bias({len(bias)})")
    repeat, frequency, presence = (params[k] for k in ("repeat_penalty", "frequency_penalty", "presence_penalty"))
    if repeat != 1.0 or frequency or presence:
        add(
            lc.llama_sampler_init_penalties(vocabulary_size, window, repeat, frequency, presence),
            f"penalties(repeat={repeat:g}, frequency={frequency:g}, presence={presence:g})",
        )
    if params["temperature"] < GREEDY_BELOW:
        add(lc.llama_sampler_init_greedy(), "greedy")
        return chain, names
    if params["top_k"]:
        add(lc.llama_sampler_init_top_k(params["top_k"]), f"top_k({params['top_k']})")
    if params["top_p"] < 1:
        add(lc.llama_sampler_init_top_p(params["top_p"], MIN_KEEP), f"top_p({params['top_p']:g})")
    if params["min_p"] > 0:
        add(lc.llama_sampler_init_min_p(params["min_p"], MIN_KEEP), f"min_p({params['min_p']:g})")
    if params["temperature"] != 1:
        add(lc.llama_sampler_init_temp(params["temperature"]), f"temperature({params['temperature']:g})")
    add(lc.llama_sampler_init_dist(seed % RANDOM_SEED), f"draw(seed={seed})")
    return chain, names
