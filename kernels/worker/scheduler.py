"""Continuous batching: many sequences in one context, one decode step at a time.

A step evaluates one token for every running sequence and, beside them, a chunk of the prompts that are still being
read. New requests join between steps, finished and cancelled ones leave at once. Which request is next is fair: the
one with the fewest sequences running, then the one that came first.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from llama_cpp import llama_cpp as lc

from modelhub.kernels.worker.drawing import Drawing
from modelhub.kernels.worker.link import Message
from modelhub.kernels.worker.model import LoadedModel
from modelhub.kernels.worker.pace import Pace
from modelhub.kernels.worker.sampling import Chain, NotNumbers, NoTokenLeft
from modelhub.kernels.worker.sequence import Choice, Request, common
from modelhub.kernels.worker.slots import Slots
from modelhub.kernels.worker.state_files import StateFiles
from modelhub.kernels.worker.step_batch import Part, StepBatch
from modelhub.kernels.worker.stream_text import StreamText
from modelhub.kernels.worker.turns import Turns, decodes

QUEUE_LIMIT = 256  # requests at once; one more is refused
SCORED_BYTES = 32 << 20  # of logits in one step: every scored token has a row of them
WORTH_RESTORING = 64  # tokens; fewer are sooner read anew than from disk


class Busy(Exception):
    """There are as many requests as may be; the message says how many."""


class Scheduler:
    """Runs requests over one loaded model. Every method is called by the thread that owns the model."""

    def __init__(self, model: LoadedModel, send: Callable[[Message], None], states: StateFiles) -> None:
        """Run over `model`; `send` takes the messages for the kernel; `states` is what is kept on disk."""
        self.model = model
        self.send = send
        self.requests: dict[int, Request] = {}
        self.waiting: list[Choice] = []
        self.steps = 0
        self.slots = Slots(model)
        self.pace = Pace()
        self.states = states
        self._batch = StepBatch(model.batch)
        self._drawing = Drawing(model)
        self._ubatch = int(lc.llama_n_ubatch(model.context))
        self._scored_rows = max(8, SCORED_BYTES // (4 * model.vocabulary.size))

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do."""
        return not self.requests

    # -- requests ----------------------------------------------------------------------------------------------------

    def submit(self, message: Message, prompt: list[int], received: float, template_seconds: float) -> None:
        """Take a request whose prompt has been rendered and tokenised. Raises Busy, or ValueError for a bad plan."""
        plan = message["plan"]
        request = Request(message["r"], prompt, plan, received, template_seconds)
        window = self.model.context_length
        try:
            for index in range(plan["n"]):
                choice = Choice(request, index, StreamText(plan["stop"]), prompt)
                request.choices.append(choice)
                choice.chain = Chain(plan, (plan["seed"] + index) & 0xFFFFFFFF, self.model.vocabulary, window)
            if plan["prompt_logprobs"] is not None:
                request.choices[0].scored = 0
            names = request.choices[0].chain.names if request.choices[0].chain else []
            self._enter(request)
        except BaseException:
            for choice in request.choices:
                if choice.chain is not None:
                    choice.chain.free()
            raise
        self._begin(request, names)

    def score(self, message: Message, tokens: list[int], windows: list[tuple[int, int, int]]) -> None:
        """Take a text of which only log probabilities are wanted.

        `windows` are (begin, end, first token whose log probability counts), by their place in `tokens`. Where the
        model has a begin-of-text token, each window begins with it, in the place of its own first. Raises Busy.
        """
        request = Request(message["r"], tokens, message["plan"], time.monotonic())
        request.windows.extend(enumerate(windows))
        # As many windows at once as there are slots: a text may have thousands, and whoever is next is looked for
        # among all that wait.
        while request.windows and len(request.choices) < len(self.slots.all):
            self._next_window(request)
        self._enter(request)
        self._begin(request, [])

    def _next_window(self, request: Request) -> Choice:
        """Make a choice of the next window of a scored text, in the place of one that is done."""
        index, (begin, end, counted) = request.windows.popleft()
        window = request.prompt[begin:end]
        if self.model.vocabulary.adds_bos:
            window[0] = request.prompt[0]
        choice = Choice(request, index, StreamText(), window, scored=counted - begin, begin=begin)
        request.choices = [c for c in request.choices if c.finish is None]
        request.choices.append(choice)
        request.queued = time.monotonic()
        return choice

    def _enter(self, request: Request) -> None:
        if len(self.requests) >= QUEUE_LIMIT:
            raise Busy(f"{QUEUE_LIMIT} requests wait for this model already; try again when some are done")
        self.requests[request.id] = request
        self.waiting.extend(request.choices)

    def _begin(self, request: Request, chain: list[str]) -> None:
        self.send({"m": "start", "r": request.id, "prompt_tokens": len(request.prompt), "chain": chain})
        if request.choices[0].scored is not None:
            first = request.prompt[0]  # nothing before it says how probable it was
            row = [*self.model.vocabulary.spelled(first), None, first, []]
            self.send({"m": "prompt_logprobs", "r": request.id, "at": 0, "d": [row]})

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
        """What runs and waits, how full the context is (tokens held, tokens it can hold), and every request."""
        return {
            "m": "status",
            "running": len(self.slots.busy),
            "waiting": len(self.waiting),
            "held": self.slots.held,
            "cells": self.slots.cells,
            "prefixes": sum(1 for s in self.slots.free if s.tokens),
            "steps": self.steps,
            "requests": [r.status() for r in self.requests.values()],
        }

    # -- a step ------------------------------------------------------------------------------------------------------

    def step(self) -> None:
        """Admit who can be admitted, evaluate what is next, draw from it, send what came of it."""
        self.model.governor.tick()
        self.steps += 1
        self.slots.compact()
        if self.waiting:
            self._admit()
        active = [s.choice for s in self.slots.all if s.choice is not None]
        separate = not self.model.kv_unified
        # Apart, a decode is one piece of work for llama.cpp: what it splits it may split by one token.
        most = min(self.model.batch, self._ubatch) if separate else self.model.batch
        for turns in decodes(active, self.pace, most, self._scored_rows, separate):
            if not self._decode(turns):
                return

    def _decode(self, turns: Turns) -> bool:
        """Evaluate so many tokens of each choice, and draw; whether it was done."""
        began = time.monotonic()
        batch = self._batch
        batch.clear()
        for choice, count in turns:
            if choice.slot is None:  # its request failed in the decode before, by another of its choices
                continue
            done = len(choice.slot.tokens)
            if choice.pending is not None:
                batch.add(choice, [choice.pending], done, last=True)
                choice.stepped = self.steps
            else:
                last = done + count == len(choice.prompt) and choice.chain is not None
                batch.add(choice, choice.prompt[done : done + count], done, last, choice.scored is not None)
        if not batch.size:
            return True
        code = lc.llama_decode(self.model.context, batch.native)
        if code != 0:
            self._undecoded(code)
            return False
        streams = 0
        for part in batch.parts:
            assert part.choice.slot is not None
            part.choice.slot.tokens.extend(part.tokens)
            streams += part.choice.pending is not None
        damaged = self._score(batch.parts)
        if self._draw([part for part in batch.parts if part.drawn]) or damaged:
            self._clean()
        self.pace.learn(streams, batch.size - streams, time.monotonic() - began)
        return True

    def _undecoded(self, code: int) -> None:
        self.slots.undo()
        if code == 2:
            return  # aborted for a message that is waiting: it is read before the next step
        if code == 1 and (self.slots.forget_one() or self._put_back()):
            return  # room was made: the next step tries again
        why = "the context has no room left" if code == 1 else f"llama_decode returned {code}"
        requests = {s.choice.request.id: s.choice.request for s in self.slots.busy if s.choice is not None}
        self._fail(requests.values(), f"llama.cpp: {why}")

    def _score(self, parts: list[Part]) -> bool:
        """Send the log probabilities of the prompt's tokens that this step gave; whether some were no numbers."""
        damaged = False
        for part in parts:
            choice, request = part.choice, part.choice.request
            if choice.scored is None or choice.slot is None:
                continue
            try:
                at, rows = self._drawing.score(part)
            except NotNumbers as error:
                self._fail([request], str(error))
                damaged = True
                continue
            if rows:
                self.send({"m": "prompt_logprobs", "r": request.id, "at": at, "d": rows})
            choice.scored = max(choice.scored, len(choice.slot.tokens) + 1)
            if len(choice.slot.tokens) == len(choice.prompt):
                choice.scored = None
                if choice.chain is None:
                    request.evaluated = time.monotonic()
                    self._release(choice, "stop")
                    if request.windows:
                        self.waiting.append(self._next_window(request))
                    if request.finished:
                        self._conclude(request)
        return damaged

    def _draw(self, parts: list[Part]) -> bool:
        """Draw a token for each part and send the step's message; whether some logits were no numbers."""
        damaged = False
        deltas: list[Any] = []
        ended: list[Request] = []
        for part in parts:
            choice, request = part.choice, part.choice.request
            if choice.finish is not None:
                continue  # its request failed by another of its choices
            if choice.pending is None and not request.evaluated:
                request.evaluated = time.monotonic()
            try:
                delta, finish = self._drawing.draw(choice, part.last)
            except NoTokenLeft as error:
                self._fail([request], str(error))
                damaged = damaged or isinstance(error, NotNumbers)
                continue
            deltas.append(delta)
            if finish is not None:
                self._release(choice, finish)
                if request.finished:
                    ended.append(request)
        if deltas:
            self.send({"m": "step", "d": deltas})
        for request in ended:
            self._conclude(request)
        return damaged

    # -- places ------------------------------------------------------------------------------------------------------

    def _admit(self) -> None:
        """Give waiting choices a slot, each with as much of its prompt as is in memory or on disk."""
        while self.slots.free and (choice := self._next()) is not None:
            if not self.slots.has_room(len(choice.prompt)):
                break
            request = choice.request
            reuse = choice.scored is None and request.plan["cache_prompt"]
            key = self._on_disk(choice) if reuse else None
            slot = self.slots.take(choice, reuse=reuse and key is None)
            self.waiting.remove(choice)
            if key is not None:
                slot.tokens.extend(self.states.restore(key, slot.id))
                self.slots.truncate(slot, self.slots.usable(slot, choice.prompt))
                request.restored = len(slot.tokens)
            if not request.admitted:
                request.admitted = time.monotonic()
                request.cached = len(slot.tokens)

    def _next(self) -> Choice | None:
        """The waiting choice whose turn it is, if one can begin.

        Choices of one prompt wait until the first of them has read it: then it can be copied whole.
        """
        ready = [c for c in self.waiting if not (c.index and c.chain and c.request.choices[0].evaluating)]
        return min(ready, key=lambda c: (c.request.running, c.request.queued, c.index), default=None)

    def _on_disk(self, choice: Choice) -> str | None:
        """The key under which more of the prompt is kept on disk than is in memory; None where there is none."""
        plan = choice.request.plan
        if not plan["keep_on_disk"] or choice.drawn:
            return None
        key: str = plan["prompt_cache_key"]
        known = common(self.states.tokens(key), choice.prompt)
        return key if known >= self.slots.known(choice.prompt) + WORTH_RESTORING else None

    def _put_back(self) -> bool:
        """Put the newest choice back into the queue, for room; whether there was one that others can do without."""
        busy = [s.choice for s in self.slots.busy if s.choice is not None]
        if len(busy) < 2:
            return False
        self._wait_again(max(busy, key=lambda c: (c.request.received, c.index)))
        return True

    def _wait_again(self, choice: Choice) -> None:
        """Take `choice` out of its slot, which is emptied; it goes on where it stands when there is room for it."""
        slot = choice.slot
        assert slot is not None
        if choice.pending is not None:  # what it has drawn is evaluated again
            choice.prompt = [*slot.tokens, choice.pending]
            choice.pending = None
        self.slots.release(choice)
        self.slots.truncate(slot, 0)
        self.waiting.append(choice)

    def _clean(self) -> None:
        """Clear the context's memory, after something that is no number was in it.

        Cells that belong to nobody are multiplied by zero and added, and zero times no number is none.
        """
        for slot in self.slots.busy:
            if slot.choice is not None:
                self._wait_again(slot.choice)
        self.slots.clear()

    def _release(self, choice: Choice, finish: str) -> None:
        """Take `choice` out of its slot; the slot keeps its tokens as a prefix."""
        choice.finish = finish
        plan, slot = choice.request.plan, choice.slot
        if slot is not None:
            keep = plan["keep_on_disk"] and choice.index == 0 and finish != "error"
            if keep and len(slot.tokens) >= WORTH_RESTORING:
                self.states.save(plan["prompt_cache_key"], slot.id, list(slot.tokens))
            self.slots.release(choice)
        elif choice in self.waiting:
            self.waiting.remove(choice)
        if choice.chain is not None:
            choice.chain.free()

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
                "restored_tokens": request.restored,
                "timings": {
                    "template_s": request.template_seconds,
                    "queue_s": admitted - request.received,
                    "prompt_s": evaluated - admitted,
                    "decode_s": now - evaluated,
                },
            }
        )

    def _fail(self, requests: Any, why: str) -> None:
        for request in list(requests):
            for choice in request.choices:
                if choice.finish is None:
                    self._release(choice, "error")
            del self.requests[request.id]
            self.send({"m": "error", "r": request.id, "kind": "EngineFailed", "text": why})


def _kept(choice: Choice) -> int:
    """How many of the drawn tokens stand in the text, wholly or in part; a stop string takes the rest away."""
    if choice.text.stopped is None:
        return choice.drawn
    return sum(1 for start in choice.starts if start < choice.text.released)
