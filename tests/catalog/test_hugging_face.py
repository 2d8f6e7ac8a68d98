"""How models of the Hugging Face Hub are named, told apart and chosen, without asking it."""

from __future__ import annotations

from typing import Any

import pytest

from modelhub.errors import BadRequest, DownloadFailed
from modelhub.kernels.catalog.fetching.fit import Machine
from modelhub.kernels.catalog.fetching.hugging_face import RemoteFile, Wanted, choices, projector, quant_of, wanted
from modelhub.kernels.catalog.fetching.offer import of_repository

GB = 10**9


def listing(*names: str, size: int = GB, **more: Any) -> dict[str, Any]:
    """What the Hub says of a repository with these files."""
    files = [{"name": n, "size": size, "sha256": None, "git": None} for n in names]
    known = {"repository": "a/b", "commit": "0" * 40, "gated": False, "licence": None, "gguf": {}}
    return {**known, "files": files, **more}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("owner/repo", Wanted("owner/repo")),
        (" owner/repo:Q4_K_M ", Wanted("owner/repo", "Q4_K_M")),
        ("owner/repo:sub/x-Q4_0.gguf", Wanted("owner/repo", file="sub/x-Q4_0.gguf")),
        ("hf.co/owner/repo:q8_0", Wanted("owner/repo", "q8_0")),
        ("hf://owner/repo", Wanted("owner/repo")),
        ("huggingface.co/owner/repo", Wanted("owner/repo")),
        ("https://huggingface.co/owner/repo", Wanted("owner/repo")),
        ("https://huggingface.co/owner/repo/tree/v1", Wanted("owner/repo", revision="v1")),
        ("https://huggingface.co/o/r/blob/main/a/x%201.gguf", Wanted("o/r", revision="main", file="a/x 1.gguf")),
        ("https://hf.co/o/r/resolve/abc/x.gguf?download=true", Wanted("o/r", revision="abc", file="x.gguf")),
        ("https://hub.example:8443/o/r", Wanted("o/r")),
        ("https://example.org/a/b/x.gguf?k=1", Wanted(url="https://example.org/a/b/x.gguf?k=1")),
        ("http://hub.example/o/r.gguf", Wanted(url="http://hub.example/o/r.gguf")),
    ],
)
def test_what_may_be_asked_for(text: str, expected: Wanted, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names, pages and addresses of a repository mean the repository, also at HF_ENDPOINT; any other is a plain one."""
    monkeypatch.setenv("HF_ENDPOINT", "https://hub.example:8443")
    assert wanted(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "x", "a/b/c", "a b/c", "-a/b", "a/..", "https://huggingface.co/datasets/a/b", "https://huggingface.co/a",
     "https://huggingface.co/a/b:c/../d/blob/main/x.gguf", "https://huggingface.co/a/b/resolve/main/../../x.gguf"],
)  # fmt: skip
def test_what_may_not(text: str) -> None:
    """What is no name, no model's page or no safe path is one line that says what is."""
    with pytest.raises((BadRequest, DownloadFailed)) as caught:
        wanted(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "quant"),
    [
        ("Qwen2.5-0.5B-Instruct-Q4_K_M", "Q4_K_M"), ("qwen2.5-7b-instruct-q4_k_m-00001-of-00002", "Q4_K_M"),
        ("tinyllama-1.1b-chat-v1.0.Q8_0", "Q8_0"), ("model-UD-Q4_K_XL", "UD-Q4_K_XL"), ("x-IQ2_XXS", "IQ2_XXS"),
        ("Phi-3-mini-4k-instruct-q4", "Q4"), ("Phi-3-mini-4k-instruct-fp16", "FP16"), ("gpt-oss-20b-mxfp4", "MXFP4"),
        ("BF16/Llama-BF16", "BF16"), ("x.TQ1_0", "TQ1_0"), ("llama-3.2-1b", None), ("Q4tips", None),
    ],
)  # fmt: skip
def test_the_quantisation_in_a_name(name: str, quant: str | None) -> None:
    """The quantisation is read from the name of a file, however it is written."""
    assert quant_of(name) == quant


def test_models_are_told_apart() -> None:
    """Parts are one model, what belongs beside one is none, a part that is missing leaves it out; smallest first."""
    files = [
        RemoteFile("Q8_0/m-Q8_0-00002-of-00002.gguf", 5), RemoteFile("Q8_0/m-Q8_0-00001-of-00002.gguf", 5),
        RemoteFile("m-Q4_0.gguf", 4), RemoteFile("mmproj-m-F16.gguf", 1), RemoteFile("m.imatrix.gguf", 1),
        RemoteFile("m-F16-00001-of-00003.gguf", 9),
    ]  # fmt: skip
    found = choices(files)
    assert [(c.label, c.size, len(c.files)) for c in found] == [("Q4_0", 4, 1), ("Q8_0", 10, 2)]
    assert [f.name for f in found[1].files] == [files[1].name, files[0].name]
    assert projector(files) == files[3]


def test_two_models_of_one_quantisation_keep_their_names() -> None:
    """Where a repository has several models, a quantisation alone does not say which: their files' names do."""
    found = choices([RemoteFile("base-Q4_0.gguf", 1), RemoteFile("chat-Q4_0.gguf", 2), RemoteFile("chat-Q8_0.gguf", 3)])
    assert [c.label for c in found] == ["base-Q4_0", "chat-Q4_0", "Q8_0"]


ALL = ("m-Q2_K.gguf", "m-Q4_K_S.gguf", "m-Q4_K_M.gguf", "m-Q5_K_M.gguf", "m-Q8_0.gguf", "m-F16.gguf")
LARGE = Machine(free=64 * GB, total=64 * GB)


@pytest.mark.parametrize(
    ("names", "preferred", "taken", "why"),
    [
        (ALL, [], "Q4_K_M", "it loses little quality"),
        (ALL, ["q8_0"], "Q8_0", "you prefer it"),
        (("m-Q4_K_S.gguf", "m-Q8_0.gguf"), [], "Q4_K_S", "nearest to Q4_K_M, which is not there"),
        (("m-Q8_0.gguf", "m-F16.gguf"), [], "Q8_0", "nearest to Q4_K_M"),
        (("m-UD-Q4_K_M.gguf", "m-Q8_0.gguf"), [], "UD-Q4_K_M", "it loses little quality"),
        (("m.gguf",), [], "m", "it is the only one"),
    ],
)
def test_the_one_that_is_taken(names: tuple[str, ...], preferred: list[str], taken: str, why: str) -> None:
    """Q4_K_M is taken where there is one, else what is nearest; what the user prefers goes before."""
    offer = of_repository(listing(*names), None, None, preferred, LARGE)
    assert offer.chosen.label == taken
    assert why in offer.why


def sized(**sizes: float) -> dict[str, Any]:
    files = [{"name": f"m-{q}.gguf", "size": int(s * GB), "sha256": None, "git": None} for q, s in sizes.items()]
    return listing() | {"files": files}


def test_what_does_not_fit_is_not_taken() -> None:
    """The best that fits is taken and the reason says what does not; where none fits it is the smallest."""
    sizes = sized(Q2_K=2, Q3_K_M=3, Q4_K_M=5, Q8_0=9)
    small = of_repository(sizes, None, None, [], Machine(free=5 * GB, total=16 * GB))
    assert (small.chosen.label, small.why) == ("Q3_K_M", "Q4_K_M does not fit")
    busy = of_repository(sizes, None, None, [], Machine(free=GB, total=16 * GB))
    assert (busy.chosen.label, busy.why.partition("; ")[2]) == (
        "Q4_K_M",
        "memory must be freed before it can be loaded",
    )
    none = of_repository(sizes, None, None, [], Machine(free=GB, total=2 * GB))
    assert (none.chosen.label, none.why) == ("Q2_K", "none fits this machine; Q2_K is the smallest")
    assert [none.fits[c.label].verdict for c in none.choices if none.fits[c.label]] == ["too large"] * 4  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("asked", "label"),
    [("Q4_K_M", "Q4_K_M"), ("q4_k_m", "Q4_K_M"), ("q4", "Q4_K_M"), ("m-Q8_0", "Q8_0"), ("m-F16.gguf", "F16")],
)
def test_a_quantisation_by_any_name(asked: str, label: str) -> None:
    """A quantisation is named in any case, by its beginning, or by its file."""
    assert of_repository(listing(*ALL), asked, None, [], LARGE).chosen.label == label


def test_sizes_that_nobody_announced() -> None:
    """A repository's listing with sizes nobody announced is offered without a verdict."""
    unknown = listing("m-Q4_0.gguf") | {"files": [{"name": "m-Q4_0.gguf", "size": None}]}
    offer = of_repository(unknown, None, None, [], LARGE)
    assert (offer.size, offer.fit) == (None, None)


@pytest.mark.parametrize("size", [-5, "abc", float("inf"), 10**30, True, [1], None])
def test_sizes_that_are_none(size: Any) -> None:
    """A server may say anything: what is no size is not known, in the table and in the sum."""
    said = listing("m-Q4_0.gguf", size=size, gguf={"total": 10**400, "context_length": "long"})
    offer = of_repository(said, None, None, [], Machine(8 * GB, 8 * GB))
    assert (offer.size, offer.fit, offer.context) == (None, None, None)


@pytest.mark.parametrize("name", ["\u202egguf.m.gguf", "a\u2066/m.gguf", "m\x9b.gguf", "m\ud800.gguf", "m\ufeff.gguf"])
def test_names_that_show_otherwise(name: str) -> None:
    """A file whose name turns its direction, steers a terminal or is no text is refused, and the line shows why."""
    with pytest.raises(DownloadFailed, match="no safe name") as caught:
        of_repository(listing(name), None, None, [], Machine(8 * GB, 8 * GB))
    assert str(caught.value).isprintable()
