"""How much goes into a step: learnt from the time that steps take."""

from __future__ import annotations

from modelhub.kernels.worker.pace import Pace


def taught(curve: dict[int, float], prompt_token: float | None = None) -> Pace:
    """A pace that has seen a step of every width, and prompt tokens beside the widest."""
    pace = Pace()
    for width, seconds in curve.items():
        for _ in range(20):
            pace.learn(width, 0, seconds)
    if prompt_token is not None:
        widest = max(curve)
        pace.learn(widest, 32, curve[widest] + 32 * prompt_token)
    return pace


def test_a_chunk_holds_streams_up_for_a_few_steps() -> None:
    """A step with the chunk takes at most five times a step without it, and the chunk is as long as that allows."""
    for prompt_token in (1e-4, 1e-3, 4e-3):
        pace = taught({4: 0.040}, prompt_token)
        chunk = pace.chunk(4, 512)
        assert 0.040 + chunk * prompt_token <= 5 * 0.040
        assert chunk == 512 or 0.040 + (chunk + 16) * prompt_token > 4 * 0.040
    assert taught({4: 0.040}, 1.0).chunk(4, 512) == 16


def test_alone_a_prompt_has_the_whole_batch() -> None:
    """With no stream to hold up, and before anything is known."""
    assert Pace().chunk(0, 512) == 512
    assert Pace().chunk(3, 512) == 32
    assert Pace().chunk(3, 8) == 8


def test_noise_counts_for_nothing() -> None:
    """Of the last steps of a width the quickest counts."""
    pace = taught({2: 0.010})
    pace.learn(2, 0, 0.5)
    assert pace.seconds(2) == 0.010


def test_widths_are_tried_before_one_is_chosen() -> None:
    """With eight streams narrower batches are tried, once each, and then all go together where that is best."""
    cost = {1: 0.020, 2: 0.022, 4: 0.026, 8: 0.034}
    pace = Pace()
    widths = []
    for _ in range(60):
        widths.append(pace.width(8))
        pace.learn(widths[-1], 0, cost[widths[-1]])
    assert widths[:16] == [8] * 16  # a short answer is over by then
    assert sorted({*widths[16:20]}) == [1, 2, 4, 8]
    assert [widths.count(w) for w in (1, 2, 4)] == [1, 1, 1]
    assert widths[-1] == 8


def test_a_batch_that_is_slower_in_sum_is_not_used() -> None:
    """Where four together take longer than four in turn, they go in turn; fewer streams are not affected."""
    pace = taught({1: 0.006, 2: 0.013, 4: 0.036})
    assert pace.width(4) == 1
    assert pace.width(1) == 1
    assert taught({1: 0.006, 2: 0.0125, 4: 0.0245}).width(4) == 4  # not worth it


def test_a_choice_made_under_noise_is_looked_at_again() -> None:
    """Where all together were slow only because of a neighbour, they are found to be quicker again soon."""
    pace = taught({1: 0.006, 2: 0.013, 4: 0.200})
    quiet = {1: 0.006, 2: 0.009, 4: 0.012}
    chosen = []
    for _ in range(200):
        chosen.append(pace.width(4))
        pace.learn(chosen[-1], 0, quiet[chosen[-1]])
    assert chosen[0] == 1 and chosen[-1] == 4


def test_what_was_learnt_is_learnt_anew() -> None:
    """After many steps the widths are tried again: a neighbour may have gone."""
    pace = taught({1: 0.006, 2: 0.013, 4: 0.036})
    chosen = []
    for _ in range(1500):
        chosen.append(pace.width(4))
        pace.learn(chosen[-1], 0, 0.010)
    assert chosen[-1] == 4
