"""The states of a model, and which may follow which."""

from __future__ import annotations

from enum import StrEnum

from modelhub.errors import StateConflict


class State(StrEnum):
    """Where a model stands. `remote` models run elsewhere and stay so; every other state is of this machine."""

    REMOTE = "remote"
    DOWNLOADABLE = "downloadable"
    DOWNLOADING = "downloading"
    DOWNLOADED = "downloaded"
    LOADING = "loading"
    RUNNING = "running"
    STOPPING = "stopping"
    FAILED = "failed"


_S = State
FOLLOWING: dict[State, frozenset[State]] = {
    _S.REMOTE: frozenset(),
    _S.DOWNLOADABLE: frozenset({_S.DOWNLOADING}),
    _S.DOWNLOADING: frozenset({_S.DOWNLOADED, _S.DOWNLOADABLE, _S.FAILED}),
    _S.DOWNLOADED: frozenset({_S.LOADING, _S.DOWNLOADABLE}),
    _S.LOADING: frozenset({_S.RUNNING, _S.STOPPING, _S.FAILED, _S.DOWNLOADED}),
    _S.RUNNING: frozenset({_S.STOPPING, _S.FAILED}),
    _S.STOPPING: frozenset({_S.DOWNLOADED, _S.FAILED}),
    _S.FAILED: frozenset({_S.LOADING, _S.DOWNLOADING, _S.DOWNLOADED, _S.DOWNLOADABLE}),
}


def step(name: str, now: State, then: State) -> State:
    """The state `then`, where it may follow `now`. Raises StateConflict, which names what may."""
    if then not in FOLLOWING[now]:
        may = ", ".join(sorted(FOLLOWING[now])) or "nothing else"
        raise StateConflict(f"{name} is {now} and cannot become {then} from there; what may follow is {may}", state=now)
    return then
