"""Ids: whatever a file is called, its model has a name that can be typed and that leads nowhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelhub.kernels.catalog.ids import SHAPE, clean, from_parts, quantisation

ODD = st.text(st.sampled_from("aZ0./.:@-_ \\~$\n\0é模\ud800"), max_size=300)


@given(ODD | st.text(max_size=300))
def test_any_text_becomes_an_id(text: str) -> None:
    """An id is letters, digits and `._/:@-`, begins with a letter or digit, has no part `..`, and stays as it is."""
    ident = clean(text)
    assert SHAPE.match(ident) and len(ident) <= 210
    assert not {"", ".", ".."} & set(ident.split("/"))
    assert clean(ident) == ident or len(ident) > 200


@pytest.mark.parametrize(
    ("text", "ident"),
    [
        ("llama3.2:1b", "llama3.2:1b"),
        ("../../etc/passwd", "etc/passwd"),
        ("a/../b", "a/b"),
        ("a//b/./c", "a/b/c"),
        ("..", "model"),
        ("", "model"),
        ("a/" + "b" * 197 + "/..c", "a/" + "b" * 197),
        ("x y\tz", "x-y-z"),
    ],
)
def test_ids(text: str, ident: str) -> None:
    """What cannot stand in an id is a dash, and what leads somewhere is left out."""
    assert clean(text) == ident


@pytest.mark.parametrize(
    ("stem", "quant"),
    [
        ("Llama-3.2-1B-Instruct-Q4_K_M", "Q4_K_M"),
        ("zephyr-7b-beta.Q2_K", "Q2_K"),
        ("gemma-3-1b-it-UD-IQ2_XXS", "UD-IQ2_XXS"),
        ("model.i1-IQ3_S", "i1-IQ3_S"),
        ("phi-2-fp16", "FP16"),
        ("gpt-oss-20b-MXFP4", "MXFP4"),
        ("tiny-bf16", "BF16"),
        ("Q8_0", "Q8_0"),
        ("qwen-q4", "Q4"),
        ("mistral-7b", None),
        ("faq4", None),
    ],
)
def test_quantisations(stem: str, quant: str | None) -> None:
    """The quantisation that a file's name ends with."""
    assert quantisation(stem) == quant


def test_a_folder_of_one_name() -> None:
    """The header's quantisation is taken where no name says one, and the stem where nothing does."""
    assert from_parts(("o", "r"), "x", "Q4_0") == "o/r:Q4_0"
    assert from_parts(("o", "r"), "x-Q8_0", "Q4_0") == "o/r:Q8_0"
    assert from_parts(("o", "r"), "x", None) == "o/r/x"
