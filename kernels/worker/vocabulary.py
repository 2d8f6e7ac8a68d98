"""The model's vocabulary: text to tokens, tokens to bytes, and which tokens end an answer."""

from __future__ import annotations

import ctypes
from typing import Any

from llama_cpp import llama_cpp as lc


class Vocabulary:
    """Tokens of one loaded model."""

    def __init__(self, model: Any) -> None:
        """Read the vocabulary of `model`, a llama_model pointer."""
        self.pointer = lc.llama_model_get_vocab(model)
        self.size: int = lc.llama_vocab_n_tokens(self.pointer)
        self.adds_bos = bool(lc.llama_vocab_get_add_bos(self.pointer))
        self._pieces: dict[int, bytes] = {}
        self._ends: dict[int, bool] = {}

    def tokenize(self, text: str, special: bool = True) -> list[int]:
        """The token ids of `text`; with `special`, names of control tokens in it become those tokens.

        No begin-of-text token is added where the text begins with one already (templates often write it).
        """
        raw = text.encode("utf-8")
        add = self.adds_bos and not text.startswith(self.name(lc.llama_vocab_bos(self.pointer)) or "\0\0")
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

    def ends(self, token: int) -> bool:
        """Whether `token` ends an answer."""
        known = self._ends.get(token)
        if known is None:
            known = self._ends[token] = bool(lc.llama_vocab_is_eog(self.pointer, token))
        return known

    def bos(self) -> str:
        """The begin-of-text token's text, or an empty string."""
        return self.name(lc.llama_vocab_bos(self.pointer))

    def eos(self) -> str:
        """The end-of-text token's text, or an empty string."""
        return self.name(lc.llama_vocab_eos(self.pointer))

    def _read(self, token: int, special: bool) -> bytes:
        room = 64
        buffer = ctypes.create_string_buffer(room)
        count = lc.llama_token_to_piece(self.pointer, token, buffer, room, 0, special)
        if count < 0:  # longer than the buffer: -count bytes are needed
            room = -count
            buffer = ctypes.create_string_buffer(room)
            count = lc.llama_token_to_piece(self.pointer, token, buffer, room, 0, special)
        return buffer.raw[: max(count, 0)]
