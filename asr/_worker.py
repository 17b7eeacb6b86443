"""A recogniser's process: holds one model, recognises many utterances in turn. `python -m asr._worker MODULE OPTIONS`.

    stdin ─BEGIN AUDIO FINISH DROP PING─▶ model ─READY PARTIAL FINAL FAILED PONG─▶ stdout

It ends when its stdin does, so a killed engine leaves none behind; signals meant for the engine do not end it.
"""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import struct
import sys
import time
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Protocol

from asr._wire import RSS, Kind, Unpacker, pack

RATE = 8000
CHUNK = 65_536
TRIAL_S = 1.0
NEEDED = 32 << 20  # bytes that must be to be had


class Utterance(Protocol):
    def push(self, pcm: bytes) -> str:
        """Take more sound, give the partial."""
        ...

    def finish(self) -> tuple[str, float]:
        """Text and confidence."""
        ...


class Model(Protocol):
    """What `load(options)` of a recogniser's worker module gives."""

    unknown_words: int  # words of phrases, so far, that the model does not know

    def begin(self, language: str, phrases: Sequence[str]) -> Utterance: ...


def main(module: str, options: dict[str, Any]) -> None:
    out = os.dup(1)
    os.dup2(2, 1)  # what a library prints must not come between the messages
    for ignored in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ignored, signal.SIG_IGN)
    os.nice(int(options.get("nice", 5)))
    if limit := int(options.get("hard_memory_mb", 0)):
        resource.setrlimit(resource.RLIMIT_DATA, (limit << 20, limit << 20))
    model: Model = import_module(module).load(options)
    ready = {"rss": resident(), "rtf": measured(model)}
    _write(out, pack(Kind.READY, payload=json.dumps(ready).encode()))
    serve(model, 0, out)


def serve(model: Model, source: int, out: int) -> None:
    live: dict[int, Utterance] = {}
    partials: dict[int, str] = {}
    told = False
    unpacker = Unpacker()
    while data := os.read(source, CHUNK):
        for kind, number, payload in unpacker.feed(data):
            if kind is Kind.PING:
                _write(out, pack(Kind.PONG, payload=RSS.pack(resident())))
                continue
            try:
                answer = _step(model, live, partials, kind, number, payload)
            except MemoryError:
                raise  # the process is of no more use: it ends, and a fresh one takes its place
            except Exception as error:  # noqa: BLE001 - one utterance fails, the others of this process go on
                need_memory()  # a library that gets none says so in words of its own
                live.pop(number, None)
                partials.pop(number, None)
                answer = pack(Kind.FAILED, number, f"{type(error).__name__}: {error}".encode()[:500])
            if answer:
                _write(out, answer)
        if model.unknown_words and not told:
            told = True
            _write(out, pack(Kind.UNKNOWN_WORDS))


def _step(
    model: Model, live: dict[int, Utterance], partials: dict[int, str], kind: Kind, number: int, payload: bytes
) -> bytes:
    if kind is Kind.BEGIN:
        asked = json.loads(payload)
        live[number] = model.begin(asked["language"], asked["phrases"])
    elif kind is Kind.AUDIO and number in live:
        partial = live[number].push(payload)
        if partial != partials.get(number, ""):
            partials[number] = partial
            return pack(Kind.PARTIAL, number, partial.encode())
    elif kind is Kind.FINISH and number in live:
        partials.pop(number, None)
        text, confidence = live.pop(number).finish()
        return pack(Kind.FINAL, number, json.dumps({"text": text, "confidence": confidence}).encode())
    elif kind is Kind.DROP:
        partials.pop(number, None)
        live.pop(number, None)
    return b""


def measured(model: Model) -> float:
    """Seconds of CPU that a second of (hard, noisy) sound takes; the first try only warms up."""
    chance = random.Random(1)
    loud = [3000 if n // 1600 % 2 else 200 for n in range(round(RATE * TRIAL_S))]
    pcm = struct.pack(f"<{len(loud)}h", *(round(chance.gauss(0, 0.3) * level) for level in loud))
    spent = 0.0
    for _ in range(2):
        began = time.process_time()
        utterance = model.begin("", ())
        for at in range(0, len(pcm), 960):
            utterance.push(pcm[at : at + 960])
        utterance.finish()
        spent = time.process_time() - began
    return spent / TRIAL_S


def need_memory() -> None:
    """Raises MemoryError when there is hardly any left."""
    bytearray(NEEDED)


def resident() -> int:
    """Bytes of memory in use."""
    try:
        with open("/proc/self/statm", "rb") as statm:
            return int(statm.read().split()[1]) * resource.getpagesize()
    except OSError:  # no /proc: the most it ever was
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _write(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
