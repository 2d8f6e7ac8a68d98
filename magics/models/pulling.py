"""`%models pull` and `cancel`: getting models."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from modelhub.errors import BadRequest, DownloadFailed, Stopped
from modelhub.magics.models.verb import Line, Verb, agreed
from modelhub.magics.options import Option, parse_around
from modelhub.magics.table import Table, size_text

if TYPE_CHECKING:
    from modelhub.kernels.catalog.fetching.downloads import Download
    from modelhub.kernels.catalog.fetching.offer import Offer

ASKED_ABOVE = 1_000_000_000  # bytes

PULL = (
    Option(("--quant",), "the quantisation, default: the best that fits; the same as owner/repo:QUANT", "QUANT"),
    Option(("-y", "--yes"), "do not ask, however large it is"),
    Option(("--background",), "go on in the background"),
    Option(("--no-mmproj",), "leave out what makes a vision model see"),
    Option(("--sha256",), "of a file at an address: the hash it must have", "HASH"),
    Option(("--list",), "show what there is and fetch nothing"),
)
CANCEL = (Option(("--drop",), "delete what came"),)


def pull(rest: str) -> Any:
    """Fetch a model."""
    from modelhub.kernels.hub import hub

    values, what = parse_around(rest, PULL, "%models pull")
    if not what:
        raise BadRequest(
            "%models pull needs owner/repo of the Hugging Face Hub, the https:// address of a .gguf file, or a name of "
            "%models browse"
        )
    downloads = hub().catalog.downloads
    hub().check_fetched(what)
    offer = downloads.offer(hub().catalog.address(what), values.get("quant"))
    if values.get("no_mmproj"):
        offer = offer.without_mmproj()
    if values.get("sha256"):
        offer = offer.with_sha256(values["sha256"])
    if values.get("list"):
        return choices_table(offer)
    running = downloads.find(offer.id)
    if running is None:
        _say(offer)
        if not _agreed(offer, what, bool(values.get("yes"))):
            return Line("nothing was fetched")
    download = running or downloads.begin(offer)
    if values.get("background"):
        _follow(download)
        return None
    return _wait(download)


def choices_table(offer: Offer, taken: str = "would be taken") -> Table:
    """The models of a repository, how each fits, and the one that would be, or is, taken."""
    from modelhub.kernels.catalog.fetching.fit import USUAL_CONTEXT

    rows, shown = [], []
    for choice in offer.choices:
        fit = offer.fits[choice.label]
        row = {
            "name": f"{offer.origin}:{choice.label}" if offer.repository else offer.id,
            "quantisation": choice.quant,
            "size": choice.size,
            "files": len(choice.files),
            "needs": fit.need if fit else None,
            "fit": fit.verdict if fit else None,
        }
        rows.append(row)
        shown.append(
            {
                **{k: "" if v is None else str(v) for k, v in row.items()},
                "name": f"{row['name']}{' *' if choice is offer.chosen else ''}",
                "size": size_text(choice.size),
                "needs": f"about {size_text(fit.need)}" if fit else "",
            }
        )
    beside = f"\nwith {offer.mmproj.name}, {size_text(offer.mmproj.size)}, which makes it see" if offer.mmproj else ""
    free = "" if _compared() else f"; {offer.machine}"
    memory = f"needs: memory with {USUAL_CONTEXT:,} tokens of context{free}"
    return Table(rows, shown, f"* {taken}: {offer.why}{beside}\n{memory}")


def _say(offer: Offer) -> None:
    """Where the user has not chosen: show what there is to choose from, and say what is taken and why."""
    from modelhub.kernels.catalog.fetching.offer import ASKED
    from modelhub.nbext.live import in_kernel

    if len(offer.choices) > 1 and offer.why != ASKED and not _compared():
        table = choices_table(offer, "is taken")
        if in_kernel():
            from IPython.display import display

            display(table)
        else:
            print(repr(table))


def _compared() -> bool:
    """Whether outputs are compared with those of another machine: what is free there is another matter."""
    return os.environ.get("MODELHUB_STREAM") == "final"


def _agreed(offer: Offer, what: str, yes: bool) -> bool:
    """Ask before much is fetched; whether it may be. Raises BadRequest where nobody can be asked."""
    if yes or (offer.size is not None and offer.size < ASKED_ABOVE):
        return True
    size = size_text(offer.size) or "a size nobody announced"
    fit = f", {offer.fit.verdict}: {offer.fit.reason}" if offer.fit else ""
    return agreed(
        f"fetch {offer.id} ({size}{fit})",
        f"{offer.id} has {size}{fit}, and this front end cannot be asked; type %models pull {what} --yes",
    )


def _wait(download: Download) -> Any:
    from modelhub.nbext.progress import ProgressBar

    bar = ProgressBar()
    try:
        download.wait_with(lambda d: bar.show(d.part if d.size else None, progress_line(d)))
    except (DownloadFailed, Stopped):
        bar.finish("")
        raise
    bar.finish(ready_line(download))
    return None


def _follow(download: Download) -> None:
    """Show a bar that goes on after the cell has ended."""
    import threading

    from modelhub.nbext.progress import ProgressBar

    bar = ProgressBar()
    if bar.only_end:  # the cell's end is not the download's
        bar.finish(f"fetching {download.offer.id} in the background; %models shows how far it is")
        return
    bar.show(0.0, progress_line(download))

    def follow() -> None:
        try:
            download.wait_with(lambda d: bar.show(d.part if d.size else None, progress_line(d)))
            bar.finish(ready_line(download))
        except (DownloadFailed, Stopped) as error:
            bar.finish(str(error))

    threading.Thread(target=follow, name="modelhub-progress", daemon=True).start()


def progress_line(download: Download) -> str:
    """How far it is, as text: `492 MB of 1.1 GB, 44 %, 12.3 MB/s, 0:52 left`."""
    parts = [
        f"{size_text(download.received)} of {size_text(download.size)}"
        if download.size
        else size_text(download.received)
    ]
    if download.size:
        parts.append(f"{100 * download.part:.0f} %")
    if download.stage == "verifying":
        return f"{download.offer.id}: verifying {download.note}"
    if download.rate:
        parts.append(f"{size_text(int(download.rate))}/s")
    if download.seconds_left is not None:
        minutes, seconds = divmod(int(download.seconds_left), 60)
        parts.append(
            f"{minutes}:{seconds:02} left" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02}:{seconds:02} left"
        )
    if download.note:
        parts.append(download.note)
    return f"{download.offer.id}: {', '.join(parts)}"


def ready_line(download: Download) -> str:
    """What came of it."""
    name = download.offer.id
    checks = {"sha256": "sha256 verified", "git hash": "git hash verified", "size": "no hash was announced to verify"}
    done = "is here already" if download.existing else "is here"
    again = "; it had changed under way and was fetched anew" if download.restarted else ""
    return (
        f"{name} {done}: {size_text(download.size)}, {checks[download.verified]}{again}. Ask it with %%chat -m {name}"
    )


def cancel(rest: str) -> Any:
    """Stop fetching a model; without a name, show what is on its way and what was stopped."""
    from modelhub.kernels.hub import hub

    downloads = hub().catalog.downloads
    values, name = parse_around(rest, CANCEL, "%models cancel")
    if not name:
        return _under_way()
    stopped = downloads.cancel(name) if downloads.find(name) or not values.get("drop") else None
    if values.get("drop"):
        size = downloads.drop(stopped.offer.id if stopped else name)
        return Line(f"what came of {name}, {size_text(size)}, was deleted")
    assert stopped is not None
    # Those on disk: what came last may not have been told of.
    came = next((u.received for u in downloads.unfinished() if u.id == stopped.offer.id), 0)
    again = f"%models pull {stopped.offer.asked}"
    if not came:
        return Line(f"fetching {stopped.offer.id} was stopped before anything came; {again} begins anew")
    return Line(f"fetching {stopped.offer.id} was stopped at {size_text(came)}; {again} goes on from there")


def _under_way() -> Table:
    from modelhub.kernels.hub import hub

    downloads = hub().catalog.downloads
    active = downloads.active()
    rows: list[dict[str, Any]] = [
        {"name": d.offer.id, "state": "downloading", "received": d.received, "size": d.size} for d in active
    ]
    rows += [{"name": u.id, "state": "stopped", "received": u.received, "size": u.size} for u in downloads.unfinished()]
    shown = [r | {"received": size_text(r["received"]), "size": size_text(r["size"])} for r in rows]
    note = "%models pull NAME goes on with one, %models cancel NAME --drop deletes what came of it"
    return Table(rows, shown, note if rows else "nothing is on its way, and nothing is unfinished")


def _active() -> list[str]:
    from modelhub.kernels.hub import hub

    downloads = hub().catalog.downloads
    return [*(d.offer.id for d in downloads.active()), *(u.id for u in downloads.unfinished())]


def _names() -> list[str]:
    from modelhub.kernels.catalog.fetching import well_known

    return [e.name for e in well_known.entries()]


VERBS = (
    Verb("pull", pull, "owner/repo[:QUANT]|URL|NAME", "fetch a model of the Hugging Face Hub, or a file", PULL, _names),
    Verb("cancel", cancel, "[MODEL]", "stop fetching a model; what came is kept", CANCEL, _active),
)
