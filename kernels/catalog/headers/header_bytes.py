"""The bytes at the beginning of a file, read as they are needed; no length is believed that the file cannot have."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO

CHUNK = 1 << 20  # bytes read at once
LONGEST_TEXT = 1 << 24  # bytes of one text; the longest chat templates have some ten thousand
LONGEST_LIST = 1 << 28  # bytes of all the texts of one array; large vocabularies have a few million
MOST_TEXTS = 1 << 20  # in one array; the largest vocabularies have a quarter of a million, and half a million merges

LONG_LIST = 4096  # texts; shorter ones are gone through at once

_LENGTH = struct.Struct("<Q")

# Vocabularies are some hundred thousand texts of a few bytes. Passing them by a pattern of all short ones takes a third
# of the time of a loop in Python.
RUN, SHORTEST, SHORT = 256, 0, 63  # texts passed at once; bytes of those that are
_ONE = b"|".join(re.escape(bytes([size])) + rb"\0{7}[^\0]{%d}" % size for size in range(SHORTEST, SHORT + 1))
_SHORT = re.compile(_ONE)
_RUN = re.compile(b"(?:%b){%d}+" % (_ONE, RUN))


class Malformed(Exception):
    """The bytes cannot be what they should be; the message says why, in words."""


class KnownLists:
    """Long lists of texts that were gone through before, byte for byte.

    Models of one family have the same vocabulary: to compare it takes a hundredth of the time of going through it.
    """

    def __init__(self) -> None:
        """None is known yet."""
        self._lists: dict[tuple[int, bool], list[bytes]] = {}
        self._room = 64 << 20  # bytes

    def of(self, count: int, distinct: bool) -> list[bytes]:
        """Those of so many texts; of those whose texts were found to be distinct, if `distinct`."""
        return self._lists.get((count, distinct), [])

    def keep(self, count: int, distinct: bool, raw: bytes) -> None:
        """Remember one, as long as there is room."""
        self._room -= len(raw)
        if self._room >= 0:
            self._lists.setdefault((count, distinct), []).append(raw)


class HeaderBytes:
    """A file read from its beginning to wherever its header ends."""

    def __init__(self, file: BinaryIO, size: int, known: KnownLists | None = None) -> None:
        """`size` is the whole file's, in bytes. known: lists of other files, for those who read many."""
        self._file, self._size, self._known = file, size, known
        self._data, self._begin, self._at = b"", 0, 0  # what was read, where in the file it begins, where we are in it

    @property
    def position(self) -> int:
        """Bytes of the file that are behind us."""
        return self._begin + self._at

    @property
    def left(self) -> int:
        """Bytes of the file that are before us."""
        return self._size - self.position

    def unpack(self, form: struct.Struct) -> tuple[Any, ...]:
        """The next values. Raises Malformed when the file ends before them."""
        self._have(form.size)
        values = form.unpack_from(self._data, self._at)
        self._at += form.size
        return values

    def text(self) -> bytes:
        """The next text: its length, then its bytes. Raises Malformed."""
        (length,) = self.unpack(_LENGTH)
        if length > LONGEST_TEXT:
            self._array(length, 1)
            _check(length, length)
        self._have(length)
        self._at += length
        return self._data[self._at - length : self._at]

    def texts(self, count: int) -> Iterator[bytes]:
        """The next `count` texts, all of which must be taken; for few. Raises Malformed."""
        self._array(count, 8)
        for _ in range(count):
            yield self.text()

    def skip_texts(self, count: int) -> None:
        """Leave out the next `count` texts. Raises Malformed."""
        self._array(count, 8)
        if self._skip_known(count, False):
            return
        begin, left = self.position, count
        while left:
            here = min(left, RUN)
            if (end := self._run_end(here)) is not None:
                self._at = end
            else:
                for _ in range(here):
                    self.text()
            left -= here
            _check(0, self.position - begin)
        self._keep(count, False, begin)

    def distinct_texts(self, count: int) -> None:
        """Leave out the next `count` texts, of which no two may be the same as C reads them: up to a NUL.

        Any number may be empty. Raises Malformed, which quotes the one that is there twice.
        """
        self._array(count, 8)
        if self._skip_known(count, True):
            return
        seen: set[bytes] = set()
        begin, left = self.position, count
        while left:
            here = min(left, RUN)
            if (end := self._run_end(here)) is not None:
                texts = [t for t in _SHORT.findall(self._data, self._at, end) if len(t) > _LENGTH.size]
                self._at = end
            else:
                read = [self.text().partition(b"\0")[0] for _ in range(here)]
                texts = [_LENGTH.pack(len(text)) + text for text in read if text]  # as the pattern gives them
            if len(set(texts)) < len(texts) or not seen.isdisjoint(texts):
                twice = next(text for text in texts if text in seen or texts.count(text) > 1)
                raise Malformed(f"a token has the text of another one, {twice[8:48]!r}")
            seen.update(texts)
            left -= here
            _check(0, self.position - begin)
        self._keep(count, True, begin)

    def skip(self, count: int, width: int) -> None:
        """Leave out the next `count` values of `width` bytes each. Raises Malformed."""
        self._array(count, width)
        self._at += count * width

    def _skip_known(self, count: int, distinct: bool) -> bool:
        """Leave out a list that is known; whether it was."""
        for raw in self._known.of(count, distinct) if self._known is not None else ():
            if len(raw) <= self.left:
                self._have(len(raw))
                if self._data.startswith(raw, self._at):
                    self._at += len(raw)
                    return True
        return False

    def _keep(self, count: int, distinct: bool, begin: int) -> None:
        """Remember the list that began at `begin` and ends here."""
        if self._known is not None and count >= LONG_LIST:
            self._file.seek(begin)
            self._known.keep(count, distinct, self._file.read(self.position - begin))
            self._file.seek(self._begin + len(self._data))

    def _run_end(self, count: int) -> int | None:
        """Where a run of texts ends; None where it is not a whole one of short texts that is in memory."""
        found = _RUN.match(self._data, self._at) if count == RUN else None
        return found.end() if found else None

    def _array(self, count: int, least: int) -> None:
        if count * least > self.left:
            raise Malformed("it ends inside its header")
        if least == 8 and count > MOST_TEXTS:
            raise Malformed(f"a list of {count:,} texts")

    def _have(self, count: int) -> None:
        """Have the next `count` bytes in `_data`."""
        if self._at + count <= len(self._data):
            return
        if count > self.left:
            raise Malformed("it ends inside its header")
        if self._at < len(self._data):
            rest = self._data[self._at :]
        else:
            rest = b""
            self._file.seek(self.position)
        self._begin, self._at = self.position, 0
        self._data = rest + self._file.read(max(CHUNK, count) - len(rest))
        if len(self._data) < count:  # it has become shorter since
            raise Malformed("it ends inside its header")


def _check(length: int, total: int) -> None:
    if length > LONGEST_TEXT or total > LONGEST_LIST:
        raise Malformed(f"a text of {max(length, total):,} bytes")
