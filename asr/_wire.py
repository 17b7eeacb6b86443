"""The language between the engine and a recogniser's worker process: small messages over the worker's stdin and stdout.

    kind (1 byte) │ utterance (4) │ length (4) │ payload        little-endian

Bytes and short JSON, never pickled objects: what a worker says cannot run code in the engine.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import IntEnum

HEADER = struct.Struct("<BII")
LONGEST = 1 << 20  # of one payload
RSS = struct.Struct("<Q")


class Kind(IntEnum):
    # to the worker
    BEGIN = 1  # JSON {"language", "phrases"}
    AUDIO = 2  # PCM at engine.model.RATE
    FINISH = 3
    DROP = 4
    PING = 5
    # from the worker
    READY = 16  # JSON {"rss", "rtf"}
    PARTIAL = 17  # UTF-8
    FINAL = 18  # JSON {"text", "confidence"}
    FAILED = 19  # UTF-8: why
    PONG = 20  # resident bytes, 8
    UNKNOWN_WORDS = 21  # once: there are words in the phrases that the model does not know


class Garbled(Exception):
    """What came over the pipe is none of these messages."""


def pack(kind: Kind, utterance: int = 0, payload: bytes = b"") -> bytes:
    return HEADER.pack(kind, utterance, len(payload)) + payload


class Unpacker:
    """Bytes as they come, whole messages out."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[Kind, int, bytes]]:
        """The messages that are complete now. Raises Garbled."""
        buffer = self._buffer
        buffer += data
        at = 0
        while len(buffer) - at >= HEADER.size:
            kind, utterance, length = HEADER.unpack_from(buffer, at)
            if length > LONGEST:
                raise Garbled(f"a message of {length} bytes")
            end = at + HEADER.size + length
            if len(buffer) < end:
                break
            try:
                known = Kind(kind)
            except ValueError:
                raise Garbled(f"a message of kind {kind}") from None
            yield known, utterance, bytes(buffer[at + HEADER.size : end])
            at = end
        del buffer[:at]
