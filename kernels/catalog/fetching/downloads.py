"""Getting models: what can be had, what is on its way, and stopping it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from dataclasses import asdict, replace
from typing import Any

from modelhub.errors import DownloadFailed, HubError, StateConflict, Stopped, did_you_mean
from modelhub.kernels import background, settings
from modelhub.kernels.catalog.card import ModelCard, ModelFile
from modelhub.kernels.catalog.fetching import fit, offer, well_known
from modelhub.kernels.catalog.fetching.fetcher import errand
from modelhub.kernels.catalog.fetching.hugging_face import RemoteFile, Wanted, wanted
from modelhub.kernels.catalog.fetching.offer import Offer
from modelhub.kernels.catalog.fetching.safe_names import plain
from modelhub.kernels.catalog.fetching.unfinished import Unfinished, unfinished
from modelhub.kernels.catalog.importers.secrets import without_keys_in_addresses
from modelhub.kernels.catalog.names import preferred_quantisations
from modelhub.kernels.catalog.states import State, step
from modelhub.kernels.waiting import Growing

PATIENCE = 30.0  # seconds without a new byte after which a download is given up
STAGING = ".downloads"  # below the models home: what is no model yet
MEMORY = 8.0  # seconds over which the rate is an average


class Download(Growing):
    """A model on its way. Sizes are bytes; any thread may ask."""

    def __init__(self, of: Offer, patience: float = PATIENCE) -> None:
        """Begin to fetch what `of` offers; use `Downloads.begin`."""
        super().__init__()
        self.offer = of
        self.received = 0
        self.size = of.size
        self.stage = "starting"
        self.note = ""  # what is the matter, as that another kernel fetches it
        self.verified = ""  # "sha256", "git hash" or "size", at the end
        self.existing = False  # whether it was here already
        self.restarted = False  # whether it changed under way, or what was kept of it was damaged
        self.error: HubError | None = None
        self._state = step(of.id, State.DOWNLOADABLE, State.DOWNLOADING)
        self._patience = patience
        self._seen: list[tuple[float, int]] = []  # when how much was here
        self._task: asyncio.Task[Any] | None = None
        self._stopping = False

    @property
    def card(self) -> ModelCard:
        """The model as it will be, with the state it is in."""
        return card_of_offer(self.offer, self._state, self.part, str(self.error) if self.error else None)

    @property
    def state(self) -> State:
        """`downloading`, then `downloaded`, `failed`, or `downloadable` where it was cancelled."""
        return self._state

    @property
    def part(self) -> float:
        """How much is here, 0 to 1; 0 while the size is not known."""
        return min(1.0, self.received / self.size) if self.size else 0.0

    @property
    def rate(self) -> float:
        """Bytes a second, of the last seconds; 0 where nothing comes."""
        if len(self._seen) < 2:
            return 0.0
        (then, before), (now, here) = self._seen[0], self._seen[-1]
        return max(0.0, (here - before) / (now - then)) if now > then else 0.0

    @property
    def seconds_left(self) -> float | None:
        """About how long it will still take."""
        return None if not self.rate or self.size is None else (self.size - self.received) / self.rate

    def wait_with(self, progress: Callable[[Download], None]) -> Download:
        """Wait for the end, calling `progress` ten times a second in this thread; an interrupt cancels the download.

        Raises DownloadFailed or Stopped.
        """
        while not self.wait(background.WAKE):
            progress(self)
        self._raise()
        return self

    def result(self) -> Download:
        """Wait for the end. Raises as `wait_with`."""
        return self.wait_with(lambda download: None)

    def cancel(self) -> None:
        """Stop it and wait until it has stopped; what came is kept."""
        self._stopping = True
        background.loop().call_soon_threadsafe(self._stop)
        self.wait_quietly()

    def stopped(self) -> Stopped:
        """Stop it and give the error to raise."""
        self.cancel()
        return Stopped(
            f"fetching {self.offer.id} was stopped; what came is kept, and the same again goes on from there"
        )

    # -- inside ------------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        background.submit(self._fetch())

    def _stop(self) -> None:
        if self._task is not None and not self._done:
            self._task.cancel()

    async def _fetch(self) -> None:
        ended: State = State.DOWNLOADABLE
        error: HubError | None = None
        self._task = asyncio.current_task()
        try:
            if self._stopping:  # a task that is cancelled before its first step would never take it
                return
            result = await errand.run(self._errand(), self._progress)
            self.verified, self.existing, ended = result["verified"], result["existing"], State.DOWNLOADED
            self.received = self.size or self.received
        except asyncio.CancelledError:
            pass  # nobody else cancels it
        except HubError as raised:
            ended, error = State.FAILED, raised
        except Exception as raised:  # a defect of ours must end the waiting
            ended, error = State.FAILED, DownloadFailed(f"{type(raised).__name__}: {raised}")
        finally:
            with self._changed:
                self.error, self._state, self._done = error, step(self.offer.id, self._state, ended), True
                self._wake()

    def _errand(self) -> dict[str, Any]:
        of, models = self.offer, settings.models_home()
        files = []
        for file in of.files:
            role = "mmproj" if file is of.mmproj else "model" if file is of.chosen.files[0] else "shard"
            name = file.name.rpartition("/")[2]
            files.append({**asdict(_addressed(file, of)), "name": name, "remote": file.name, "role": role})
        first = _addressed(of.chosen.files[0], of)
        return {
            "do": "fetch",
            "id": of.id,
            "asked": of.asked,
            "staging": str(models / STAGING / plain("--".join(of.folders))),
            "target": str(models.joinpath(*of.folders)),
            "patience": self._patience,
            "repository": of.repository,
            "commit": of.commit,
            "files": files,
            "card": {
                "origin": of.origin,
                "download_url": _shown(first.url),
                "licence": of.licence,
                "source": "models home",
            },
        }

    def _progress(self, told: dict[str, Any]) -> None:
        now = time.monotonic()
        with self._changed:
            self.stage, self.note = told["stage"], told["note"]
            self.received, self.size = told["received"], told["size"] or self.size
            self.restarted = self.restarted or "starts again" in self.note
            if self._seen and self.received < self._seen[-1][1]:
                self._seen.clear()  # it started again
            self._seen = [s for s in self._seen if now - s[0] < MEMORY] + [(now, self.received)]
            self._wake()

    def _raise(self) -> None:
        if self.error is not None:
            raise self.error
        if self._state is State.DOWNLOADABLE:
            raise Stopped(
                f"fetching {self.offer.id} was cancelled; what came is kept, and the same again goes on from there"
            )


class Downloads:
    """What is on its way to this machine, asked for by this kernel."""

    def __init__(self, patience: float = PATIENCE) -> None:
        """Nothing yet. patience: seconds without a new byte after which a download is given up."""
        self.patience = patience
        self._downloads: dict[str, Download] = {}
        self._lock = threading.Lock()

    def offer(self, what: str, quant: str | None = None) -> Offer:
        """What can be had under `what`: `owner/repo[:quant]`, an address, or the name of a well-known model.

        Waits for the network. Raises BadRequest or DownloadFailed.
        """
        entry = well_known.find(what)
        asked = wanted(entry.repository if entry else what, quant)
        machine = fit.machine()
        if asked.url is not None:
            return offer.of_address(asked.url, self._ask({"do": "probe", "url": asked.url}), machine)
        listing = self._ask({"do": "repository", "name": asked.repository, "revision": asked.revision})
        return offer.of_repository(listing, asked.quant, asked.file, preferred_quantisations(), machine)

    def begin(self, what: str | Offer, quant: str | None = None) -> Download:
        """Begin to fetch; it goes on in the background. One that is on its way already is given again."""
        of = what if isinstance(what, Offer) else self.offer(what, quant)
        with self._lock:
            now = self._downloads.get(of.id)
            if now is None or now.done:
                now = self._downloads[of.id] = Download(of, self.patience)
                now._begin()
            return now

    def active(self) -> list[Download]:
        """Those that have not ended."""
        return [d for d in list(self._downloads.values()) if not d.done]

    def cards(self) -> list[ModelCard]:
        """A card for each that has not ended, and for each that failed since the kernel began."""
        return [d.card for d in list(self._downloads.values()) if not d.done or d.state is State.FAILED]

    def find(self, name: str) -> Download | None:
        """The one on its way that is called `name`: its id, its origin, or the name of its file."""
        for d in self.active():
            of = d.offer
            if name.removeprefix("local/") in (of.id, of.origin, of.chosen.stem, f"{of.origin}:{of.chosen.label}"):
                return d
        return None

    def cancel(self, name: str) -> Download:
        """Stop one; what came is kept. Raises StateConflict where it is not on its way."""
        found = self.find(name)
        if found is None:
            ids = [d.offer.id for d in self.active()]
            begin = "on its way is" if len(ids) == 1 else "on their way are" if ids else "nothing is on its way"
            there = " ".join([begin, ", ".join(ids)]).rstrip()
            raise StateConflict(f"{name} is not being fetched.{did_you_mean(name, ids)} {there[0].upper()}{there[1:]}")
        found.cancel()
        return found

    def unfinished(self) -> list[Unfinished]:
        """What came of downloads that were stopped, by this kernel or another one, by name."""
        return unfinished(settings.models_home() / STAGING)

    def drop(self, name: str) -> int:
        """Delete what came of a download that was stopped; its bytes.

        Raises StateConflict where there is none, and while another kernel goes on with it.
        """
        there = self.unfinished()
        found = next((u for u in there if name.removeprefix("local/") in (u.id, u.asked)), None)
        if found is None:
            ids = [u.id for u in there]
            raise StateConflict(
                f"nothing is kept of {name}.{did_you_mean(name, ids)} Unfinished are {', '.join(ids) or 'none'}"
            )
        found.drop()
        return found.received

    def check(self, card: ModelCard) -> None:
        """Raise StateConflict, with the per cent or the reason, where a model is on its way or could not be fetched."""
        found = self._downloads.get(card.id) if card.state in (State.DOWNLOADING, State.FAILED) else None
        if found is not None and found.error is not None:
            raise StateConflict(
                f"{card.id} is not here: {found.error}. %models pull {found.offer.asked} tries again", state=card.state
            )
        if found is not None and not found.done:
            raise StateConflict(
                f"{found.offer.id} is being fetched, {100 * found.part:.0f} % are here; ask again when it is done, or "
                f"stop it with %models cancel {found.offer.id}",
                state=found.state,
            )

    def search(self, query: str, limit: int = 20) -> list[dict[str, Any]]:
        """Repositories of the Hugging Face Hub that have GGUFs. Raises DownloadFailed."""
        found: list[dict[str, Any]] = self._ask({"do": "search", "query": query, "limit": limit})
        return found

    def close(self) -> None:
        """Stop all; what came is kept."""
        for download in self.active():
            download.cancel()

    def _ask(self, question: dict[str, Any]) -> Any:
        try:
            return background.wait(errand.run(question))
        except (CancelledError, KeyboardInterrupt):
            raise Stopped("asking what there is was stopped") from None


def card_of_offer(of: Offer, state: str, part: float | None = None, problem: str | None = None) -> ModelCard:
    """The card of a model that is not here yet. part: how much is, 0 to 1. problem: why it could not be fetched."""
    files = tuple(
        ModelFile(
            role="mmproj" if f is of.mmproj else "shard" if n else "model",
            url=_shown(f.url),
            size=f.size,
            sha256=f.sha256,
        )
        for n, f in enumerate(of.files)
    )
    return ModelCard(
        id=of.id,
        state=state,
        files=files,
        source="models home",
        quantisation=of.chosen.quant,
        context_length=of.context,
        licence=of.licence,
        origin=of.origin,
        download_url=_shown(_addressed(of.chosen.files[0], of).url),
        description=problem,
        metadata={} if part is None else {"modelhub": {"part": round(part, 3)}},
    )


def _shown(url: str | None) -> str | None:
    """An address as a card has it: without the keys in it."""
    return None if url is None else without_keys_in_addresses(url)


def _addressed(file: RemoteFile, of: Offer) -> RemoteFile:
    """The file with its address."""
    if file.url is not None or of.repository is None:
        return file
    from urllib.parse import quote

    return replace(file, url=f"https://huggingface.co/{of.repository}/resolve/{of.commit}/{quote(file.name)}")


__all__ = ["Download", "Downloads", "Offer", "Wanted", "card_of_offer"]
