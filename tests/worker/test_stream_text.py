"""`StreamText`: whatever way the bytes come, the text is the same, and it ends at the earliest stop string."""

from __future__ import annotations

import random

import pytest

from modelhub.kernels.worker.stream_text import StreamText

ALPHABETS = ["ab", "abc<>/", "aé日😀", "\0\n\t ́x"]


def pieces_of(raw: bytes, source: random.Random) -> list[bytes]:
    """`raw` cut at random into pieces, some of them empty."""
    cuts = sorted(source.randrange(len(raw) + 1) for _ in range(source.randrange(12)))
    return [raw[a:b] for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True)]


def stream(pieces: list[bytes], stops: list[str]) -> tuple[list[str], StreamText]:
    text = StreamText(stops)
    out = [text.add(piece) for piece in pieces]
    return [*out, text.end()], text


def expected(whole: str, stops: list[str]) -> tuple[str, str | None]:
    """The text before the stop string that is complete first, reading from left to right."""
    for end in range(1, len(whole) + 1):
        ends = [s for s in stops if whole[:end].endswith(s)]
        if ends:
            longest = max(ends, key=len)
            return whole[: end - len(longest)], longest
    return whole, None


def test_any_split_gives_the_same_text() -> None:
    """Without stop strings, the pieces put together are the bytes decoded, also where they are no valid UTF-8."""
    source = random.Random(1)
    for _ in range(2000):
        whole = "".join(source.choices(source.choice(ALPHABETS), k=source.randrange(20))).encode()
        if source.random() < 0.5:
            whole = bytes(source.choices([*whole, 0xE2, 0x82, 0xFF, 0xC0, 0xF0, 0x80, 0x41], k=len(whole) + 1))
        out, text = stream(pieces_of(whole, source), [])
        assert "".join(out) == whole.decode("utf-8", "replace")
        assert text.released == len("".join(out).encode())
        assert text.stopped is None


def test_any_split_stops_at_the_same_place() -> None:
    """With stop strings, the text ends before the one that is complete first, however the bytes were cut."""
    source = random.Random(2)
    found = 0
    for _ in range(3000):
        alphabet = source.choice(ALPHABETS)
        whole = "".join(source.choices(alphabet, k=source.randrange(25)))
        stops = ["".join(source.choices(alphabet, k=source.randrange(1, 5))) for _ in range(source.randrange(1, 4))]
        pieces = pieces_of(whole.encode(), source)
        out, text = stream(pieces, stops)
        wanted, stop = expected(whole, stops)
        assert "".join(out) == wanted, (whole, stops, pieces)
        assert (text.stopped is None) == (stop is None)
        assert text.released == len(wanted.encode())
        found += stop is not None
    assert found > 500


def test_text_is_released_as_soon_as_it_is_certain() -> None:
    """Only what may be the beginning of a stop string is held back, and it comes when it turns out not to be."""
    text = StreamText(["</end>"])
    assert text.add(b"hello <") == "hello "
    assert text.add(b"/en") == ""
    assert text.add(b"ough> ") == "</enough> "
    assert text.add(b"<") == ""
    assert text.end() == "<"


def test_nothing_comes_after_a_stop_string() -> None:
    """After the stop string the answer is over, whatever else is added."""
    text = StreamText(["END"])
    assert text.add(b"a E") == "a "
    assert text.add(b"ND b") == ""
    assert text.stopped == "END"
    assert (text.add(b"more"), text.end()) == ("", "")
    assert text.released == 2


@pytest.mark.parametrize(("stops", "wanted"), [(["b", "ab"], "x"), (["ab", "b"], "x"), (["bc", "b"], "xa")])
def test_the_earliest_stop_string_wins(stops: list[str], wanted: str) -> None:
    """The order in which stop strings are given does not matter, their place in the text does."""
    assert "".join(stream([b"xabc"], stops)[0]) == wanted


def test_a_character_is_shown_when_it_is_whole() -> None:
    """The bytes of one character in four pieces give one character; a broken one is U+FFFD and holds up nothing."""
    text = StreamText()
    assert [text.add(bytes([b])) for b in "😀".encode()] == ["", "", "", "😀"]
    assert text.add(b"\xe2") == ""
    assert text.add(b"A") == "�A"
    assert text.add(b"\xf0\x9f") == ""
    assert text.end() == "�"
