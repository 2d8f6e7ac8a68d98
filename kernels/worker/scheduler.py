"""Continuous batching: many sequences in one context, one decode step at a time.

A step evaluates one token for every running sequence and, beside them, a chunk of the prompts that are still being
read. New requests join between steps, finished and cancelled ones leave at once. What a sequence leaves behind in the
context's memory stays there as a prefix, so that the next turn of a conversation evaluates only its new tokens; the
prefix used longest ago goes when room is needed.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
from llama_cpp import llama_cpp as lc

from modelhub.kernels.worker import sampling
from modelhub.kernels.worker.link import Message
from modelhub.kernels.worker.logprobs import chosen_and_top
from modelhub.kernels.worker.model import LoadedModel
from modelhub.kernels.worker.sequence import Choice, Request, Slot
from modelhub.kernels.worker.step_batch import StepBatch
from modelhub.kernels.worker.stream_text import StreamText

CHUNK_BESIDE_STREAMS = 32  # prompt tokens a step while others stream: more would hold them up
SPARE_CELLS = 64  # room a newcomer must leave, or it would be put back at once
QUEUE_LIMIT = 256  # requests waiting; one more is refused


class Scheduler:
    """Runs requests over one loaded model. Every method is called by the thread that owns the model."""

    def __init__(self, model: LoadedModel, send: Callable[[Message], None]) -> None:
        """Run over `model`; `send` takes the messages for the kernel."""
        self.model = model
        self.send = send
        self.slots = [Slot(i) for i in range(model.slots)]
        self.waiting: deque[Choice] = deque()
        self.requests: dict[int, Request] = {}
        self.steps = 0
        self._batch = StepBatch(model.batch)

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do."""
        return not self.requests

    # -- requests ----------------------------------------------------------------------------------------------------

    def submit(self, message: Message, prompt: list[int], received: float, template_seconds: float) -> None:
        """Take a request whose prompt has been rendered and tokenised. Raises ValueError when it is refused."""
        if len(self.requests) >= QUEUE_LIMIT:
            raise ValueError(f"{QUEUE_LIMIT} requests are waiting for this model already; try again when some are done")
        plan = message["plan"]
        request = Request(message["r"], prompt, plan, [], received, template_seconds=template_seconds)
        for index in range(plan["n"]):
            seed = (plan["seed"] + index) & 0xFFFFFFFF
            choice = Choice(request, index, seed, StreamText(plan["stop"]), prompt)
            choice.chain, names = sampling.build(plan, seed, self.model.vocabulary.size, self.model.context_length)
            request.choices.append(choice)
            if index == 0:
                chain = names
        self.requests[request.id] = request
        self.waiting.extend(request.choices)
        self.send({"m": "start", "r": request.id, "prompt_tokens": len(prompt), "chain": chain})

    def cancel(self, request_id: int) -> None:
        """End a request now; what it has drawn stays in memory as a prefix."""
        request = self.requests.get(request_id)
        if request is None:
            return
        for choice in request.choices:
            if choice.finish is None:
                self._release(choice, "cancelled")
        self._conclude(request)

    def status(self) -> Message:
        """How many requests run and wait, and how full the context is (tokens held, tokens it can hold)."""
        running = sum(1 for s in self.slots if s.choice)
        return {
            "m": "status",
            "running": running,
            "waiting": len(self.waiting),
            "held": sum(len(s.tokens) for s in self.slots),
            "cells": int(lc.llama_n_ctx(self.model.context)),
            "prefixes": sum(1 for s in self.slots if s.tokens and not s.choice),
            "steps": self.steps,
        }

    # -- a step ------------------------------------------------------------------------------------------------------

    def step(self) -> None:
        """Admit who can be admitted, evaluate one batch, draw from it, send what came of it."""
        self.steps += 1
        self._admit()
        active = [s.choice for s in self.slots if s.choice is not None]
        if not active:
            return
        batch = self._fill(active)
        code = lc.llama_decode(self.model.context, batch.native)
        if code != 0:
            self._undo()
            if code == 1 and self._make_room():
                return  # room was made: the next step tries again
            if code == 2:
                return  # aborted for a message that is waiting: it is read before the next step
            self._fail(active, "the context has no room left" if code == 1 else f"llama_decode returned {code}")
            return
        for choice, tokens, _row in batch.parts:
            assert choice.slot is not None
            choice.slot.tokens.extend(tokens)
        self._draw([(choice, row) for choice, _tokens, row in batch.parts if row is not None])

    def _fill(self, active: list[Choice]) -> StepBatch:
        """The batch of this step: running sequences first, then chunks of prompts, in the order they came."""
        batch = self._batch
        batch.clear()
        running = [c for c in active if c.pending is not None]
        for choice in running:
            assert choice.slot is not None and choice.pending is not None
            batch.add(choice, [choice.pending], len(choice.slot.tokens), last=True)
        room = self.model.batch - batch.size
        if running:
            room = min(room, CHUNK_BESIDE_STREAMS)
        for choice in sorted((c for c in active if c.pending is None), key=lambda c: c.request.received):
            if room <= 0:
                break
            assert choice.slot is not None
            done = len(choice.slot.tokens)
            chunk = choice.prompt[done : done + room]
            batch.add(choice, chunk, done, last=done + len(chunk) == len(choice.prompt))
            room -= len(chunk)
        return batch

    def _draw(self, rows: list[tuple[Choice, int]]) -> None:
        """Draw a token for each (choice, row of the logits) and send the step's message."""
        deltas: list[Any] = []
        ended: list[Request] = []
        context, vocabulary = self.model.context, self.model.vocabulary
        for choice, row in rows:
            request = choice.request
            if choice.pending is None and not request.evaluated:
                request.evaluated = time.monotonic()
            token = lc.llama_sampler_sample(choice.chain, context, row)
            if vocabulary.ends(token):
                deltas.append([request.id, choice.index, choice.text.end(), 0, None])
                self._release(choice, "stop")
            else:
                piece = vocabulary.piece(token)
                logprobs = self._logprobs(request.plan, row, token, piece)
                choice.pending = token
                choice.drawn += 1
                choice.starts.append(choice.size)
                choice.size += len(piece)
                text = choice.text.add(piece)
                reason = self._over(choice)
                if reason:
                    text += choice.text.end()
                    self._release(choice, reason)
                deltas.append([request.id, choice.index, text, 1, logprobs])
            if request.finished:
                ended.append(request)
        if deltas:
            self.send({"m": "step", "d": deltas})
        for request in ended:
            self._conclude(request)

    def _over(self, choice: Choice) -> str | None:
        """The finish reason, when the token drawn last was the last one."""
        assert choice.slot is not None
        if choice.text.stopped is not None:
            return "stop"
        limit = choice.request.plan["max_tokens"]
        if limit is not None and choice.drawn >= limit:
            return "length"
        return "length" if len(choice.slot.tokens) + 1 >= self.model.context_length else None

    def _logprobs(self, plan: dict[str, Any], row: int, token: int, piece: bytes) -> Any:
        """`[text, bytes, logprob, [[text, bytes, logprob], …]]`, or None; bytes are None where the text says them."""
        if plan["top_logprobs"] is None:
            return None
        pointer = lc.llama_get_logits_ith(self.model.context, row)
        logits = np.ctypeslib.as_array(pointer, (self.model.vocabulary.size,))
        value, top = chosen_and_top(logits, token, plan["top_logprobs"])
        return [
            *_spelled(piece, self.model.vocabulary.name(token)),
            value,
            [[*_spelled(self.model.vocabulary.piece(t), self.model.vocabulary.name(t)), v] for t, v in top],
        ]

    # -- slots -------------------------------------------------------------------------------------------------------

    def _admit(self) -> None:
        """Give waiting choices a slot, first come first served, each with the longest prefix that is in memory."""
        while self.waiting:
            choice = self.waiting[0]
            request = choice.request
            if choice.index and request.choices[0].evaluating:
                break  # its prompt is being evaluated by its first choice: soon it can be copied whole
            if not self._has_room(choice):
                break
            slot = self._slot_for(choice.prompt)
            if slot is None:
                break
            self.waiting.popleft()
            if not request.admitted:
                request.admitted = time.monotonic()
                request.cached = len(slot.tokens)
            slot.choice, choice.slot = choice, slot

    def _has_room(self, choice: Choice) -> bool:
        """Whether the context can hold `choice` beside those that run, and some tokens more; alone it always can."""
        held = [len(s.tokens) for s in self.slots if s.choice is not None]
        cells = int(lc.llama_n_ctx(self.model.context))
        return not held or sum(held) + len(choice.prompt) + SPARE_CELLS <= cells

    def _slot_for(self, prompt: list[int]) -> Slot | None:
        """A free slot that holds as much of the beginning of `prompt` as is to be had; None when all are taken."""
        free = [s for s in self.slots if s.choice is None]
        if not free:
            return None
        # The prompt's last token is evaluated again in any case: its logits are needed.
        shared = {s.id: min(s.shared(prompt), len(prompt) - 1) for s in self.slots}
        best = max(self.slots, key=lambda s: (shared[s.id], s.used))
        keep = shared[best.id]
        if best.choice is None and keep >= len(best.tokens) // 2:
            self._truncate(best, keep)  # a continuation: the slot goes on where it stands
            return best
        slot = min(free, key=lambda s: (bool(s.tokens), s.used))
        self._truncate(slot, 0)
        if keep and slot is not best:
            lc.llama_memory_seq_cp(self.model.memory, best.id, slot.id, 0, keep)
            slot.tokens = best.tokens[:keep]
        return slot

    def _truncate(self, slot: Slot, keep: int) -> None:
        """Forget what `slot` holds beyond its first `keep` tokens."""
        slot.used = self.steps
        if keep == len(slot.tokens):
            return
        if not lc.llama_memory_seq_rm(self.model.memory, slot.id, keep, -1):
            lc.llama_memory_seq_rm(self.model.memory, slot.id, -1, -1)  # a recurrent model keeps all or nothing
            keep = 0
        del slot.tokens[keep:]

    def _make_room(self) -> bool:
        """Drop the idle prefix used longest ago; failing that, put the newest choice back into the queue."""
        idle = [s for s in self.slots if s.tokens and s.choice is None]
        if idle:
            self._truncate(min(idle, key=lambda s: s.used), 0)
            return True
        busy = [s.choice for s in self.slots if s.choice is not None]
        if len(busy) < 2:
            return False
        newest = max(busy, key=lambda c: (c.request.received, c.index))
        assert newest.slot is not None
        slot, newest.slot = newest.slot, None
        if newest.pending is not None:  # what it has drawn is evaluated again when there is room for it
            newest.prompt = [*slot.tokens, newest.pending]
            newest.pending = None
        slot.choice = None
        self._truncate(slot, 0)
        self.waiting.appendleft(newest)
        return True

    def _undo(self) -> None:
        """Forget what a failed decode may have left in memory."""
        for slot in self.slots:
            if slot.choice is not None and not lc.llama_memory_seq_rm(self.model.memory, slot.id, len(slot.tokens), -1):
                lc.llama_memory_seq_rm(self.model.memory, slot.id, -1, -1)
                slot.tokens.clear()

    def _release(self, choice: Choice, finish: str) -> None:
        """Take `choice` out of its slot; the slot keeps its tokens as a prefix."""
        choice.finish = finish
        if choice.slot is not None:
            choice.slot.used = self.steps
            choice.slot.choice = None
            choice.slot = None
        elif choice in self.waiting:
            self.waiting.remove(choice)
        if choice.chain is not None:
            lc.llama_sampler_free(choice.chain)
            choice.chain = None

    # -- endings -----------------------------------------------------------------------------------------------------

    def _conclude(self, request: Request) -> None:
        """Send the end of a request: why each choice ended, how many tokens stand in its text, and the times."""
        del self.requests[request.id]
        now = time.monotonic()
        admitted, evaluated = request.admitted or now, request.evaluated or now
        self.send(
            {
                "m": "done",
                "r": request.id,
                "finish": [c.finish for c in request.choices],
                "kept": [_kept(c) for c in request.choices],
                "drawn": [c.drawn for c in request.choices],
                "prompt_tokens": len(request.prompt),
                "cached_tokens": request.cached,
                "timings": {
                    "template_s": request.template_seconds,
                    "queue_s": admitted - request.received,
                    "prompt_s": evaluated - admitted,
                    "decode_s": now - evaluated,
                },
            }
        )

    def _fail(self, active: list[Choice], why: str) -> None:
        for request in {c.request.id: c.request for c in active}.values():
            for choice in request.choices:
                if choice.finish is None:
                    self._release(choice, "error")
            del self.requests[request.id]
            self.send({"m": "error", "r": request.id, "kind": "EngineFailed", "text": f"llama.cpp: {why}"})


def _spelled(piece: bytes, name: str) -> tuple[str, list[int] | None]:
    """A token's text and, where the text alone does not say them, its bytes."""
    if not piece:
        return name, []  # a control token: it has a name and no bytes
    text = piece.decode("utf-8", "replace")
    return text, None if text.encode() == piece else list(piece)


def _kept(choice: Choice) -> int:
    """How many of the drawn tokens stand in the text, wholly or in part; a stop string takes the rest away."""
    if choice.text.stopped is None:
        return choice.drawn
    return sum(1 for start in choice.starts if start < choice.text.released)
