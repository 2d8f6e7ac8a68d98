"""The context's memory: which sequence holds which tokens, who may use it, and what is forgotten first.

A slot is one sequence id of llama.cpp. What a choice leaves in its slot stays there as a prefix for the next prompt
that begins so; the prefix used longest ago goes first, one read under a `prompt_cache_key` last.

Two layouts (load parameter `kv_unified`). Unified: all slots share one pool of cells, a copied prefix costs nothing,
and a slot may take as much as there is. Separate: each slot has a context of its own, so that streams do not slow
each other down and draw what they would draw alone; a copy then copies memory, and llama.cpp evaluates together only
sequences whose ids follow each other, so busy slots are kept side by side.
"""

from __future__ import annotations

from llama_cpp import llama_cpp as lc

from modelhub.kernels.worker.model import LoadedModel
from modelhub.kernels.worker.sequence import Choice, Slot
from modelhub.kernels.worker.turns import LEAST

SPARE_CELLS = 64  # room a newcomer must leave in a shared pool, or it would be put back at once
WORTH_COPYING = 16  # tokens of a prefix; fewer are sooner read than copied from one separate slot to another


class Slots:
    """Every slot of one loaded model."""

    def __init__(self, model: LoadedModel) -> None:
        """All slots are free and empty."""
        self._memory = model.memory
        self._cells = int(lc.llama_n_ctx(model.context))
        self._separate = not model.kv_unified
        self.all = [Slot(i) for i in range(model.slots)]
        self.clock = 0  # counts uses; a slot's `used` is the time of its last

    @property
    def busy(self) -> list[Slot]:
        """The slots that have a choice."""
        return [s for s in self.all if s.choice is not None]

    @property
    def free(self) -> list[Slot]:
        """The slots that have none."""
        return [s for s in self.all if s.choice is None]

    @property
    def held(self) -> int:
        """Tokens held in all slots, at most; what slots share is not told apart."""
        return min(self._cells, sum(len(s.tokens) for s in self.all))

    @property
    def cells(self) -> int:
        """Tokens that can be held."""
        return self._cells

    def has_room(self, tokens: int) -> bool:
        """Whether a prompt of so many tokens can be read beside what runs; alone it always can."""
        busy = self.busy
        if not busy:
            return True
        if self._separate:
            return len(busy) < len(self.all)
        # What they have still to read counts as well, or two of them could take turns at pushing each other out.
        held = sum(max(len(s.tokens), len(s.choice.prompt)) for s in busy if s.choice is not None)
        return held + tokens + SPARE_CELLS <= self._cells

    def usable(self, slot: Slot, prompt: list[int]) -> int:
        """How much of the beginning of `prompt` need not be read with what `slot` holds.

        The prompt's last token is evaluated in any case: its logits are needed. See also `turns.LEAST`.
        """
        return max(0, min(slot.shared(prompt), len(prompt) - (LEAST if self._separate else 1)))

    def known(self, prompt: list[int]) -> int:
        """How much of the beginning of `prompt` is in memory."""
        return max(s.shared(prompt) for s in self.all)

    def take(self, choice: Choice, reuse: bool = True) -> Slot:
        """A free slot for `choice`, of which there is one, with as much of its prompt's beginning as is to be had.

        With `reuse` off it is empty, and llama.cpp has no copy to or from it pending: a state can be put there.
        """
        self.clock += 1
        prompt = choice.prompt
        shared = {s.id: self.usable(s, prompt) if reuse else 0 for s in self.all}
        best = max(self.all, key=lambda s: (shared[s.id], s.used))
        keep = shared[best.id]
        goes_on = best.choice is None and keep > 0 and keep >= len(best.tokens) // 2
        if goes_on and self._beside_busy(best):
            slot = best
        else:
            free = self.free
            slot = min([s for s in free if self._beside_busy(s)] or free, key=lambda s: s.worth)
        if slot is best or not reuse:
            self.truncate(slot, keep)
        else:
            self._clear_for(slot, best)
            if keep >= (WORTH_COPYING if self._separate else 1):
                self._copy(best, slot, keep)
                if goes_on:
                    self.truncate(best, 0)
        slot.choice, choice.slot = choice, slot
        slot.used = self.clock
        key = choice.request.plan["prompt_cache_key"]
        if key is not None or not goes_on:
            slot.key = key
        return slot

    def release(self, choice: Choice) -> None:
        """Take `choice` out of its slot; the slot keeps its tokens as a prefix."""
        slot, choice.slot = choice.slot, None
        if slot is not None:
            self.clock += 1
            slot.used, slot.choice = self.clock, None

    def truncate(self, slot: Slot, keep: int) -> None:
        """Forget what `slot` holds beyond its first `keep` tokens."""
        if keep == len(slot.tokens):
            return
        if not lc.llama_memory_seq_rm(self._memory, slot.id, keep, -1):
            lc.llama_memory_seq_rm(self._memory, slot.id, -1, -1)  # a recurrent model keeps all or nothing
            keep = 0
        del slot.tokens[keep:]
        if not slot.tokens:
            slot.key = None

    def clear(self) -> None:
        """Forget everything, down to the last number; no slot is busy."""
        lc.llama_memory_clear(self._memory, True)
        for slot in self.all:
            slot.tokens.clear()
            slot.key = None

    def undo(self) -> None:
        """Forget what a failed decode may have left in memory."""
        for slot in self.busy:
            if not lc.llama_memory_seq_rm(self._memory, slot.id, len(slot.tokens), -1):
                lc.llama_memory_seq_rm(self._memory, slot.id, -1, -1)
                slot.tokens.clear()

    def forget_one(self) -> bool:
        """Drop the idle prefix that is worth least; whether there was one."""
        idle = [s for s in self.free if s.tokens]
        if idle:
            self.truncate(min(idle, key=lambda s: s.worth), 0)
        return bool(idle)

    def compact(self) -> None:
        """Move busy slots side by side, where that matters."""
        busy = self.busy
        if not self._separate or len(busy) < 2:
            return
        gaps = [s for s in self.all[busy[0].id : busy[-1].id] if s.choice is None]
        for gap, last in zip(gaps, reversed(busy), strict=False):
            if gap.id > last.id:
                break
            self._clear_for(gap, last)
            self._copy(last, gap, len(last.tokens))
            gap.choice, gap.used, gap.key = last.choice, last.used, last.key
            assert gap.choice is not None
            gap.choice.slot, last.choice = gap, None
            self.truncate(last, 0)

    # -- inside ------------------------------------------------------------------------------------------------------

    def _beside_busy(self, slot: Slot) -> bool:
        """Whether llama.cpp would evaluate `slot` together with those that are busy."""
        busy = self.busy
        return not self._separate or not busy or busy[0].id - 1 <= slot.id <= busy[-1].id + 1

    def _clear_for(self, slot: Slot, source: Slot) -> None:
        """Empty `slot`; in the separate layout its prefix moves to an empty slot, where there is one."""
        if self._separate and slot.tokens:
            empty = next((s for s in self.free if not s.tokens and s is not source and s is not slot), None)
            if empty is not None:
                self._copy(slot, empty, len(slot.tokens))
                empty.used, empty.key = slot.used, slot.key
        self.truncate(slot, 0)

    def _copy(self, source: Slot, target: Slot, keep: int) -> None:
        """Have `target`, which is empty, hold the first `keep` tokens of `source`."""
        if not keep:
            return
        lc.llama_memory_seq_cp(self._memory, source.id, target.id, 0, -1 if self._separate else keep)
        target.tokens = list(source.tokens)
        if not self._separate:
            del target.tokens[keep:]
        self.truncate(target, keep)
