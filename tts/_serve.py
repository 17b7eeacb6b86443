"""The far end of `tts._worker`: what a process that speaks does with its two pipes.

    stdin: length, JSON ─▶ speak ─▶ stdout: status, length, PCM or why not

It ends when its stdin does. Signals of the terminal are for the engine: it ends its workers itself.
"""

from __future__ import annotations

import json
import os
import signal
import struct
from collections.abc import Callable
from typing import Any

REQUEST = struct.Struct("<I")
ANSWER = struct.Struct("<BI")
LONGEST = 1 << 18

Speak = Callable[[dict[str, Any]], bytes]


def serve(load: Callable[[], Speak]) -> None:
    """Load, say so, then answer one request after another. A ValueError or RuntimeError is an answer too."""
    out = os.dup(1)
    os.dup2(2, 1)  # a library that prints does not speak
    for ignored in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ignored, signal.SIG_IGN)
    os.nice(5)
    try:
        speak = load()
    except (ValueError, RuntimeError, ImportError, OSError) as error:
        _answer(out, 1, str(error).encode())
        return
    source = os.fdopen(0, "rb")
    _answer(out, 0, b"ready")
    while len(head := source.read(REQUEST.size)) == REQUEST.size:
        (length,) = REQUEST.unpack(head)
        if length > LONGEST:
            return
        asked = json.loads(source.read(length))
        try:
            _answer(out, 0, speak(asked))
        except (ValueError, RuntimeError) as error:
            _answer(out, 1, str(error).encode())


def _answer(fd: int, status: int, payload: bytes) -> None:
    data = ANSWER.pack(status, len(payload)) + payload
    while data:
        data = data[os.write(fd, data) :]
