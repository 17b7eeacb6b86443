"""Voice engines that this machine may not have, as small as they can be: they speak the same command line, the same
Python interface, the same HTTP. What they say is a tone, longer for a longer text."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
from aiohttp import web

from engine import audio
from engine.model import Sound

CHARACTER_S = 0.06

# RHVoice-test of RHVoice 1.x: options by TCLAP, the text from stdin, WAV into --output; an unknown option is an error.
_RHVOICE = """#!{python}
import argparse, math, struct, sys, wave
parser = argparse.ArgumentParser()
parser.add_argument("-i", "--input", default="-")
parser.add_argument("-o", "--output", required=True)
parser.add_argument("-p", "--profile", default="")
for short, name in (("-r", "--rate"), ("-t", "--pitch"), ("-v", "--volume")):
    parser.add_argument(short, name, type=int, default=100)
asked = parser.parse_args()
text = sys.stdin.buffer.read().decode()
open({log!r}, "a").write(asked.profile + "|" + text.strip() + "\\n")
if "hang" in text:
    import time
    time.sleep(60)
if "fail" in text:
    sys.exit("no such voice")
count = int(24000 * {character_s} * len(text.strip()) * 100 / asked.rate)
with wave.open(asked.output, "wb") as out:
    out.setparams((1, 2, 24000, 0, "NONE", ""))
    out.writeframes(b"".join(struct.pack("<h", int(9000 * math.sin(n / 8))) for n in range(count)))
"""

# The part of piper-tts 1.3 and later that is used: PiperVoice.load, synthesize, SynthesisConfig, AudioChunk.
_PIPER = """
import json
from dataclasses import dataclass
import numpy as np

@dataclass
class SynthesisConfig:
    speaker_id: int | None = None
    length_scale: float | None = None

@dataclass
class AudioChunk:
    sample_rate: int
    audio_float_array: np.ndarray

class PiperVoice:
    @classmethod
    def load(cls, path):
        voice = cls()
        voice.config = json.loads(open(str(path) + ".json").read())
        return voice

    def synthesize(self, text, syn_config=None):
        rate = self.config["audio"]["sample_rate"]
        hz = 500 + 100 * (syn_config.speaker_id or 0)
        for sentence in filter(None, (part.strip() for part in text.split("."))):
            n = np.arange(int(rate * {character_s} * len(sentence) * (syn_config.length_scale or 1.0)))
            yield AudioChunk(rate, np.sin(2 * np.pi * hz * n / rate).astype(np.float32))
"""


def rhvoice_program(folder: Path) -> tuple[Path, Path]:
    """The program, and the file where it writes what it was asked."""
    program, log = folder / "RHVoice-test", folder / "rhvoice.log"
    program.write_text(_RHVOICE.format(python=sys.executable, log=str(log), character_s=CHARACTER_S))
    program.chmod(0o755)
    return program, log


def piper_package(folder: Path) -> Path:
    """A folder for PYTHONPATH that holds a package `piper`."""
    (folder / "piper").mkdir(parents=True, exist_ok=True)
    (folder / "piper" / "__init__.py").write_text(_PIPER.replace("{character_s}", str(CHARACTER_S)))
    return folder


def piper_model(data_dir: Path, name: str = "voice.onnx", rate: int = 22_050) -> str:
    (data_dir / "models").mkdir(exist_ok=True)
    (data_dir / "models" / name).write_bytes(b"\x08\x07")
    (data_dir / "models" / f"{name}.json").write_text(f'{{"audio": {{"sample_rate": {rate}}}}}')
    return name


def spoken(text: str, rate: int = 8000) -> bytes:
    """PCM of a tone as long as the text."""
    n = np.arange(round(rate * CHARACTER_S * len(text)))
    return audio.to_pcm(0.3 * np.sin(2 * np.pi * 600 * n / rate))


def wav(text: str) -> bytes:
    return audio.to_wav(Sound(spoken(text)))


@asynccontextmanager
async def service(answer: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncGenerator[str]:
    """A speech service on loopback; gives its address."""
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def says(request: web.Request) -> web.Response:
    """{"text": …} in, WAV out."""
    return web.Response(body=wav((await request.json())["text"]), content_type="audio/wav")
