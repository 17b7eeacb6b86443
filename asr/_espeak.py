"""espeak-ng's phonemes for a text, by a process of its own: the library is GPL, keeps global state and may crash.

    {"voice": "ru", "text": "не интересно"} ─▶ python -m asr._espeak ─▶ "n^_i_nt…": espeak's mnemonics, parted by _

One JSON line in, one JSON string out; it ends when its stdin does.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

SYNCHRONOUS, UTF8 = 2, 1
PARTED = ord("_") << 8  # of espeak_TextToPhonemes: mnemonics with this sign between them
LONGEST = 300  # characters of a text


def find_library() -> tuple[str, str | None] | None:
    """The espeak-ng library and its data folder (None: its own): the wheel's, else the system's, else none at all."""
    wheel = importlib.util.find_spec("espeakng_loader")
    if wheel is not None and wheel.origin:
        folder = Path(wheel.origin).parent
        for name in ("libespeak-ng.so", "libespeak-ng.so.1", "libespeak-ng.dylib"):
            if (folder / name).is_file() and (folder / "espeak-ng-data").is_dir():
                return str(folder / name), str(folder)
    system = ctypes.util.find_library("espeak-ng")
    return (system, None) if system else None


class Espeak:
    """The library. Raises RuntimeError where there is none."""

    def __init__(self) -> None:
        found = find_library()
        if found is None:
            raise RuntimeError("there is no espeak-ng library")
        library, data = found
        self.lib = ctypes.CDLL(library)
        self.rate = int(self.lib.espeak_Initialize(SYNCHRONOUS, 0, data.encode() if data else None, 0))
        if self.rate <= 0:
            raise RuntimeError("espeak-ng does not start: its data is not there")
        self.lib.espeak_TextToPhonemes.restype = ctypes.c_char_p
        self.lib.espeak_TextToPhonemes.argtypes = [ctypes.POINTER(ctypes.c_void_p), ctypes.c_int, ctypes.c_int]
        self._voice = ""

    def use(self, voice: str) -> None:
        """Raises ValueError for a voice that it has not got."""
        if voice != self._voice:
            self._voice = ""
            if self.lib.espeak_SetVoiceByName(voice.encode()) != 0:
                raise ValueError(f"espeak-ng has no voice {voice}")
            self._voice = voice

    def phonemes(self, voice: str, text: str) -> str:
        """Mnemonics parted by `_`, words by blanks."""
        self.use(voice)
        kept = ctypes.create_string_buffer(text.encode()[: 4 * LONGEST] + b"\0")
        place = ctypes.c_void_p(ctypes.addressof(kept))
        said = []
        while place.value:
            said.append((self.lib.espeak_TextToPhonemes(ctypes.byref(place), UTF8, PARTED) or b"").decode())
        return " ".join(said)


class Phonemes:
    """The process, started at the first need (some 50 ms) and asked thereafter (under 1 ms). One that died is started
    again; one that cannot be had answers None from then on."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._lives = 3 if find_library() else 0

    def start(self) -> None:
        """So that the first question need not wait."""
        if self._process is None and self._lives > 0:
            self._lives -= 1
            self._process = subprocess.Popen(
                [sys.executable, "-m", "asr._espeak"],
                cwd=Path(__file__).resolve().parent.parent,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="utf-8",
            )

    def of(self, voice: str, text: str) -> str | None:
        while True:
            self.start()
            process = self._process
            if process is None or process.stdin is None or process.stdout is None:
                return None
            try:
                process.stdin.write(json.dumps({"voice": voice, "text": text[:LONGEST]}) + "\n")
                process.stdin.flush()
                if answer := process.stdout.readline():
                    return str(json.loads(answer))
            except OSError:
                pass
            self.close()

    def close(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    try:
                        pipe.close()
                    except OSError:
                        continue


def serve() -> None:
    espeak = Espeak()
    for line in sys.stdin:
        asked: dict[str, Any] = json.loads(line)
        try:
            found = espeak.phonemes(asked["voice"], asked["text"])
        except ValueError:
            found = ""
        sys.stdout.write(json.dumps(found) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
