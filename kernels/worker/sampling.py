"""The chain of samplers of one sequence, built natively by llama.cpp from the plan of the request.

Order, as llama.cpp's own programs have it: bans, logit bias, penalties, DRY, top-n-sigma, top-k, typical, top-p,
min-p, XTC, temperature, draw. Mirostat takes the place of everything from top-n-sigma on, but for the temperature.
Defaults are in `protocol.plan.DEFAULTS`; temperature 0 is greedy.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from llama_cpp import llama_cpp as lc

from modelhub.kernels.worker.bans import Bans
from modelhub.kernels.worker.vocabulary import Vocabulary

GREEDY_BELOW = 1e-6  # a temperature: logits divided by less overflow
RANDOM_SEED = 0xFFFFFFFF  # llama.cpp draws a seed of its own for this one (llama.h, LLAMA_DEFAULT_SEED)
BAN = -100.0  # OpenAI: a bias of -100 bans the token
IMPOSSIBLE = 1e-30  # relative to the best token; below it typical sampling would compute 0 x log 0
MIROSTAT_TOKENS = 100  # from which mirostat 1 estimates the slope; the paper's and llama.cpp's own number
POOLED = 8  # DRY samplers kept to be copied: making one reads the whole vocabulary for each breaker

Row = np.ndarray[Any, np.dtype[np.float32]]
CANDIDATE = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])  # llama_token_data in llama.h


class NoTokenLeft(Exception):
    """No token may be drawn: all are banned."""


class NotNumbers(NoTokenLeft):
    """The logits are not numbers."""


class Chain:
    """The samplers of one sequence. `free` it, once."""

    def __init__(self, plan: dict[str, Any], seed: int, vocabulary: Vocabulary, window: int) -> None:
        """Samplers for `plan` (see `protocol.plan.plan_of`).

        `seed` is an unsigned 32-bit number; `window` is how many tokens a penalty looks back on at most. Raises
        ValueError when llama.cpp cannot build one.
        """
        self.names: list[str] = []
        self.bans = Bans(plan, vocabulary)
        self.names += self.bans.names
        self._vocabulary = vocabulary
        self._native = lc.llama_sampler_chain_init(lc.llama_sampler_chain_default_params())
        try:
            self._build(plan, seed % RANDOM_SEED, window)
        except BaseException:
            self.free()
            raise

    def draw(self, context: Any, row: int, logits: Row) -> int:
        """Draw a token from row `row` of the context's logits, which `logits` views. Raises NoTokenLeft."""
        self._ban(logits)
        return int(lc.llama_sampler_sample(self._native, context, row))

    def draw_shown(self, logits: Row) -> tuple[int, dict[int, float]]:
        """As `draw`, and the log probability each token that was left had after all filters."""
        self._ban(logits)
        candidates = np.empty(logits.size, CANDIDATE)
        candidates["id"] = np.arange(logits.size)
        candidates["logit"] = logits
        pointer = candidates.ctypes.data_as(lc.llama_token_data_p)
        array = lc.llama_token_data_array(pointer, logits.size, -1, False)
        lc.llama_sampler_apply(self._native, ctypes.byref(array))
        address = ctypes.cast(array.data, ctypes.c_void_p).value or 0  # XTC moves the beginning
        left = np.frombuffer((ctypes.c_char * (array.size * CANDIDATE.itemsize)).from_address(address), CANDIDATE)
        token = int(left["id"][array.selected])
        lc.llama_sampler_accept(self._native, token)
        if self.names[-1] == "greedy":
            return token, {token: 0.0}
        possible = left[left["p"] > 0]
        return token, dict(zip(possible["id"].tolist(), np.log(possible["p"]).tolist(), strict=True))

    def free(self) -> None:
        """Give the native memory back."""
        if self._native is not None:
            lc.llama_sampler_free(self._native)
            self._native = None

    # -- building ----------------------------------------------------------------------------------------------------

    def _ban(self, logits: Row) -> None:
        self.bans.apply(logits)
        check(logits)

    def _add(self, sampler: Any, name: str) -> None:
        if not sampler:  # a NULL in the chain would end the process at the first token
            raise ValueError(f"llama.cpp could not build the sampler {name}")
        lc.llama_sampler_chain_add(self._native, sampler)
        self.names.append(name)

    def _build(self, plan: dict[str, Any], seed: int, window: int) -> None:
        self._add_biases(plan)
        self._add_penalties(plan, window)
        if plan["temperature"] < GREEDY_BELOW:
            self._add(lc.llama_sampler_init_greedy(), "greedy")
        elif plan["mirostat"]:
            self._add_temperature(plan)
            self._add_mirostat(plan, seed)
        else:
            self._add_filters(plan, seed)
            self._add_temperature(plan)
            self._add(lc.llama_sampler_init_dist(seed), f"draw(seed={seed})")

    def _add_biases(self, plan: dict[str, Any]) -> None:
        bias: dict[int, float] = {}
        for text, value in plan["logit_bias_by_text"].items():
            bias |= dict.fromkeys(self._vocabulary.tokens_of(text), value)
        bias |= {int(token): value for token, value in plan["logit_bias"].items()}
        soft = {token: value for token, value in bias.items() if value > BAN}
        self.bans.always([token for token, value in bias.items() if value <= BAN])
        if soft:
            rows = (lc.llama_logit_bias * len(soft))()
            for row, (token, value) in zip(rows, sorted(soft.items()), strict=True):
                row.token, row.bias = token, value
            self._add(lc.llama_sampler_init_logit_bias(self._vocabulary.size, len(soft), rows), "")
        if bias:
            if soft:
                self.names.pop()
            self.names.append(f"logit_bias({len(bias)})")

    def _add_penalties(self, plan: dict[str, Any], window: int) -> None:
        repeat, frequency, presence = (plan[k] for k in ("repeat_penalty", "frequency_penalty", "presence_penalty"))
        back = _look_back(plan["repeat_last_n"], window)
        if back and (repeat != 1.0 or frequency or presence):
            self._add(
                lc.llama_sampler_init_penalties(self._vocabulary.size, back, repeat, frequency, presence),
                f"penalties(repeat={repeat:g}, frequency={frequency:g}, presence={presence:g}, last={back})",
            )
        back = _look_back(plan["dry_penalty_last_n"], window)
        if back and plan["dry_multiplier"]:
            self._add(
                _dry(self._vocabulary, plan, back),
                f"dry(multiplier={plan['dry_multiplier']:g}, base={plan['dry_base']:g}, "
                f"allowed={plan['dry_allowed_length']}, last={back})",
            )

    def _add_filters(self, plan: dict[str, Any], seed: int) -> None:
        keep = plan["min_keep"]
        if plan["top_n_sigma"]:
            self._add(lc.llama_sampler_init_top_n_sigma(plan["top_n_sigma"]), f"top_n_sigma({plan['top_n_sigma']:g})")
        if plan["top_k"]:
            self._add(lc.llama_sampler_init_top_k(plan["top_k"]), f"top_k({plan['top_k']})")
        if plan["typical_p"] < 1:
            self._add(lc.llama_sampler_init_min_p(IMPOSSIBLE, 1), "")
            self.names.pop()
            self._add(lc.llama_sampler_init_typical(plan["typical_p"], keep), f"typical_p({plan['typical_p']:g})")
        if plan["top_p"] < 1:
            self._add(lc.llama_sampler_init_top_p(plan["top_p"], keep), f"top_p({plan['top_p']:g})")
        if plan["min_p"] > 0:
            self._add(lc.llama_sampler_init_min_p(plan["min_p"], keep), f"min_p({plan['min_p']:g})")
        if plan["xtc_probability"] > 0:
            chance, threshold = plan["xtc_probability"], plan["xtc_threshold"]
            self._add(
                lc.llama_sampler_init_xtc(chance, threshold, keep, seed),
                f"xtc(probability={chance:g}, threshold={threshold:g})",
            )

    def _add_temperature(self, plan: dict[str, Any]) -> None:
        temperature, spread = plan["temperature"], plan["dynatemp_range"]
        if spread:
            exponent = plan["dynatemp_exponent"]
            self._add(
                lc.llama_sampler_init_temp_ext(temperature, spread, exponent),
                f"temperature({max(0.0, temperature - spread):g} to {temperature + spread:g}, exponent={exponent:g})",
            )
        elif temperature != 1:
            self._add(lc.llama_sampler_init_temp(temperature), f"temperature({temperature:g})")

    def _add_mirostat(self, plan: dict[str, Any], seed: int) -> None:
        tau, eta = plan["mirostat_tau"], plan["mirostat_eta"]
        name = f"mirostat_{plan['mirostat']}(tau={tau:g}, eta={eta:g}, seed={seed})"
        if plan["mirostat"] == 1:
            size = self._vocabulary.size
            self._add(lc.llama_sampler_init_mirostat(size, seed, tau, eta, MIROSTAT_TOKENS), name)
        else:
            self._add(lc.llama_sampler_init_mirostat_v2(seed, tau, eta), name)


def check(logits: Row) -> None:
    """Raise NoTokenLeft, or NotNumbers, where nothing can be drawn from `logits`."""
    best = logits.max()
    if best == -np.inf:
        raise NoTokenLeft("every token is banned: allow some")
    if not best < np.inf:  # also where it is no number
        raise NotNumbers("the model gave logits that are not numbers: its file is damaged")


def _look_back(asked: int, window: int) -> int:
    """Tokens a penalty looks back on: -1 is all there can be."""
    return window if asked < 0 else min(asked, window)


_pool: dict[tuple[Any, ...], Any] = {}


def _dry(vocabulary: Vocabulary, plan: dict[str, Any], back: int) -> Any:
    """A DRY sampler, copied from one made before where its parameters are the same."""
    breakers = tuple(plan["dry_sequence_breakers"])
    key = (plan["dry_multiplier"], plan["dry_base"], plan["dry_allowed_length"], back, breakers)
    made = _pool.get(key)
    if made is None:
        texts = (ctypes.c_char_p * len(breakers))(*(b.encode() for b in breakers))
        made = lc.llama_sampler_init_dry(vocabulary.pointer, *key[:4], texts, len(breakers))
        if not made:
            return None
        if len(_pool) >= POOLED:
            lc.llama_sampler_free(_pool.pop(next(iter(_pool))))
        _pool[key] = made
    return lc.llama_sampler_clone(made)
