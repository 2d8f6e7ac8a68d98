"""The model's vocabulary: text to tokens, tokens to bytes, and which tokens end an answer."""

from __future__ import annotations

import ctypes
from bisect import bisect_left
from functools import cached_property
from typing import Any

from llama_cpp import llama_cpp as lc


class Vocabulary:
    """Tokens of one loaded model."""

    def __init__(self, model: Any) -> None:
        """Read the vocabulary of `model`, a llama_model pointer."""
        self.pointer = lc.llama_model_get_vocab(model)
        self.size: int = lc.llama_vocab_n_tokens(self.pointer)
        self.adds_bos = bool(lc.llama_vocab_get_add_bos(self.pointer))
        self._buffer = ctypes.create_string_buffer(256)
        self._pieces: dict[int, bytes] = {}
        self._spelled: dict[int, tuple[str, list[int] | None]] = {}
        self._ends: dict[int, bool] = {}

    def tokenize(self, text: str, special: bool = True, begin: bool = True) -> list[int]:
        """The token ids of `text`; with `special`, names of control tokens in it become those tokens.

        With `begin` the begin-of-text token is added where the model wants one, but not where the text begins with
        it already (templates often write it).
        """
        raw = text.encode("utf-8")
        begun = special and text.startswith(self.name(lc.llama_vocab_bos(self.pointer)) or "\0\0")
        add = begin and self.adds_bos and not begun
        room = len(raw) + 8
        buffer = (lc.llama_token * room)()
        count = lc.llama_tokenize(self.pointer, raw, len(raw), buffer, room, add, special)
        if count < 0:
            room = -count
            buffer = (lc.llama_token * room)()
            count = lc.llama_tokenize(self.pointer, raw, len(raw), buffer, room, add, special)
        return list(buffer[:count])

    def piece(self, token: int) -> bytes:
        """The bytes of `token` as they stand in an answer; control tokens have none."""
        known = self._pieces.get(token)
        if known is None:
            known = self._pieces[token] = self._read(token, False)
        return known

    def name(self, token: int) -> str:
        """The text of `token` with control tokens named, as `<|im_end|>`; empty for the id of no token."""
        return self._read(token, True).decode("utf-8", "replace") if 0 <= token < self.size else ""

    def spelled(self, token: int) -> tuple[str, list[int] | None]:
        """The text of `token` and, where the text alone does not say them, its bytes; control tokens have none."""
        known = self._spelled.get(token)
        if known is None:
            known = self._spelled[token] = self._spell(token)
        return known

    @cached_property
    def end_tokens(self) -> list[int]:
        """Every token that ends an answer."""
        return [token for token in range(self.size) if lc.llama_vocab_is_eog(self.pointer, token)]

    def ends(self, token: int) -> bool:
        """Whether `token` ends an answer."""
        known = self._ends.get(token)
        if known is None:
            known = self._ends[token] = bool(lc.llama_vocab_is_eog(self.pointer, token))
        return known

    def tokens_of(self, text: str) -> list[int]:
        """The tokens that `text` is made of inside an answer, control tokens by their names."""
        return self.tokenize(text, begin=False)

    def containing(self, part: bytes) -> list[int]:
        """The tokens whose bytes contain `part`."""
        return [token for piece, token in self._sorted if part in piece]

    def beginning(self, part: bytes) -> list[int]:
        """The tokens whose bytes begin with `part`."""
        found = []
        for at in range(bisect_left(self._sorted, (part, -1)), len(self._sorted)):
            piece, token = self._sorted[at]
            if not piece.startswith(part):
                break
            found.append(token)
        return found

    def bos(self) -> str:
        """The begin-of-text token's text, or an empty string."""
        return self.name(lc.llama_vocab_bos(self.pointer))

    def eos(self) -> str:
        """The end-of-text token's text, or an empty string."""
        return self.name(lc.llama_vocab_eos(self.pointer))

    def _spell(self, token: int) -> tuple[str, list[int] | None]:
        piece = self._read(token, False)
        if not piece:
            return self.name(token), []
        try:
            return piece.decode(), None
        except UnicodeDecodeError:
            return piece.decode("utf-8", "replace"), list(piece)

    @cached_property
    def _sorted(self) -> list[tuple[bytes, int]]:
        """Every token that has bytes, by its bytes."""
        return sorted((self.piece(token), token) for token in range(self.size) if self.piece(token))

    def _read(self, token: int, special: bool) -> bytes:
        count = lc.llama_token_to_piece(self.pointer, token, self._buffer, len(self._buffer), 0, special)
        if count < 0:  # longer than the buffer: -count bytes are needed
            self._buffer = ctypes.create_string_buffer(-count)
            count = lc.llama_token_to_piece(self.pointer, token, self._buffer, -count, 0, special)
        return ctypes.string_at(self._buffer, max(count, 0))
