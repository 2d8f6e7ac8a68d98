"""Ten thousand requests with random parameters to one worker: it never dies, never grows, and every reply is valid."""

from __future__ import annotations

import gc
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]  # psutil ships no types
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from jsonschema import ValidationError
from jsonschema.exceptions import best_match

from modelhub.errors import BadRequest, EngineFailed
from modelhub.kernels.hub import Hub
from modelhub.kernels.response import Response
from tests.protocol.openai_schema import validate_completion
from tests.worker.random_requests import VOCABULARY, requests

AT_ONCE = 16
COUNT = int(os.environ.get("MODELHUB_RANDOM_REQUESTS", "2000"))  # .ci/run: 10000
WARM_UP = COUNT // 5  # caches fill; what is held after it is held for good
GROWTH = 5_000_000  # bytes the worker may grow by after the warm-up
SECONDS = 60.0

Asked = tuple[dict[str, Any], set[str], str]


class Run:
    """One worker, what it was asked so far and what came of it."""

    def __init__(self, hub: Hub, path: Path) -> None:
        self.hub, self.path = hub, str(path)
        self.came: Counter[str] = Counter()
        self.engine = hub.load(self.path)
        self.pid = self.engine.pid
        self.warm: int | None = None

    def memory(self) -> int:
        """Bytes the worker holds."""
        (row,) = self.hub.status()
        assert (row["running"], row["waiting"]) == (0, 0), "something still runs"
        return int(psutil.Process(row["pid"]).memory_info().rss)  # not its share of what other workers use too

    def ask_all(self, batch: list[Asked]) -> None:
        """Ask a batch at once, stop those that are to be stopped, check every reply."""
        asked = [(one, response) for one in batch if (response := self.ask(one)) is not None]
        for (fields, _rejected, stop), response in asked:
            if stop == "soon":
                for _text in response:
                    break
                response.stop()
            assert response.wait(SECONDS), f"no end of {fields}"
        for (fields, _rejected, _stop), response in asked:
            try:
                self.check(fields, response)
            except ValidationError as error:
                worst = best_match([error])
                raise AssertionError(f"of the request {fields}: {worst.json_path}: {worst.message[-300:]}") from None
            except AssertionError as error:
                raise AssertionError(f"of the request {fields}: {str(error)[:300]}") from None
        assert self.engine.pid == self.pid, "the worker died"

    def ask(self, one: Asked) -> Response | None:
        """The response; None where the request was refused as it should be."""
        fields, rejected, stop = one
        try:
            response = self.hub.chat(model=self.path, **fields)
        except BadRequest as error:
            assert error.param in rejected and "\n" not in str(error), (fields, error)
            self.came["refused"] += 1
            return None
        assert not rejected, f"{rejected} should have been refused"
        if stop == "at once":
            response.stop()
        return response

    def check(self, fields: dict[str, Any], response: Response) -> None:
        if isinstance(response.error, EngineFailed) and "every token is banned" in str(response.error):
            self.came["all banned"] += 1
            return
        assert response.error is None, (fields, response.error)
        reply = response.json()
        validate_completion(reply)
        choices = reply["choices"]
        assert len(choices) == fields.get("n", 1)
        limit = fields.get("max_completion_tokens", fields.get("max_tokens"))
        assert reply["usage"]["completion_tokens"] <= limit * len(choices), fields
        alternatives = fields.get("n_probs", fields.get("top_logprobs", 0) if fields.get("logprobs") else None)
        stops = fields.get("stop", [])
        for choice in choices:
            text = choice["message"]["content"]
            assert choice["finish_reason"] in (
                {"stop", "length"} if not response.interrupted else {"stop", "length", None}
            )
            assert not any(stop in text for stop in ([stops] if isinstance(stops, str) else stops)), fields
            if alternatives is None:
                assert choice["logprobs"] is None
            else:
                entries = choice["logprobs"]["content"]
                assert len(entries) <= limit
                assert {len(e["top_logprobs"]) for e in entries} <= {min(alternatives, VOCABULARY)}, fields
        self.came["stopped" if response.interrupted else str(choices[0]["finish_reason"])] += 1


@pytest.fixture(scope="module")
def run(random_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MODELHUB_HOME", str(tmp_path_factory.mktemp("home")))
        hub = Hub()
        yield Run(hub, random_gguf)
        hub.close()


@settings(
    max_examples=COUNT // AT_ONCE,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],  # one failing batch is printed as it is: shrinking would ask a broken worker for minutes
    suppress_health_check=list(HealthCheck),
)
@given(batch=st.lists(requests(), min_size=AT_ONCE, max_size=AT_ONCE))
def test_every_request_is_answered_or_refused(run: Run, batch: list[Asked]) -> None:
    """Each reply is a valid completion that keeps to the request; what is refused is refused by the field's name."""
    run.ask_all(batch)
    if run.warm is None and sum(run.came.values()) >= WARM_UP:
        run.warm = run.memory()


def test_the_worker_is_the_same_and_has_not_grown(run: Run) -> None:
    """After all of them it is the same process, holds no more than after the warm-up, and the kernel holds no reply."""
    assert run.warm is not None and sum(run.came.values()) >= 0.9 * COUNT
    assert run.engine.pid == run.pid
    assert run.memory() - run.warm < GROWTH
    assert all(run.came[kind] for kind in ("stop", "length", "stopped", "refused")), run.came
    gc.collect()
    assert sum(isinstance(thing, Response) for thing in gc.get_objects()) < 2 * AT_ONCE
