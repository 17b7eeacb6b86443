"""A real Asterisk for live tests, with a configuration made by `render` from Settings, on free ports of the loopback.

    async with live_asterisk(tmp_path, trunks={"main": {"host": "127.0.0.1", "port": 5070}}) as (settings, asterisk):
        await asterisk.cli("core show channels")

    async with live_network(tmp_path) as (settings, asterisk, pstn):   # with a telephone network behind trunk `main`
        await pstn.call_in("+74950000001", "yes")

`overrides` are laid over the settings' mapping, level by level. It is installed into the cache where it is missing.
"""

from __future__ import annotations

import array
import functools
import math
import wave
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from channels.voice import install, pstn
from channels.voice.install import Asterisk
from channels.voice.render import render
from channels.voice.supervise import State, Supervised, running
from engine.config import Settings
from engine.loopback import HOST as LOOPBACK
from engine.loopback import free_ports as free_ports


@functools.cache
def installed() -> Asterisk:
    """This machine's Asterisk; fetched on first use."""
    return install.install(lambda _what, _share: None)


def live_settings(folder: Path, **overrides: Any) -> Settings:
    """Settings whose every port is free and whose every file is below `folder`."""
    ami, agi, media, http, sip = free_ports(5)
    raw: dict[str, Any] = {
        "data_dir": str(folder / "var"),
        "secret_key_file": str(folder / "var" / "secret.key"),
        "http": {"port": http},
        "asterisk": {
            "sip": {"host": LOOPBACK, "port": sip},
            "ami": {"port": ami, "secret_file": str(folder / "var" / "ami.secret")},
            "agi": {"port": agi},
            "media": {"port": media},
        },
    }
    return Settings.model_validate(laid_over(raw, overrides))


@asynccontextmanager
async def live_asterisk(
    folder: Path, *, state: State = lambda _works, _words: None, **overrides: Any
) -> AsyncGenerator[tuple[Settings, Supervised]]:
    """Settings and the Asterisk that runs by them; up in about half a second, gone at the end."""
    settings = live_settings(folder, **overrides)
    asterisk = installed()
    async with running(asterisk, render(settings, asterisk), state) as supervised:
        yield settings, supervised


@asynccontextmanager
async def live_network(
    folder: Path, *, sounds: Path | None = None, **overrides: Any
) -> AsyncGenerator[tuple[Settings, Supervised, pstn.Pstn]]:
    """The same with a telephone network behind trunk `main`. Subscribers say tones, unless `sounds` holds voices."""
    (port,) = free_ports(1)
    main = {"main": {"host": LOOPBACK, "port": port}}
    async with live_asterisk(folder, **laid_over({"trunks": main}, overrides)) as (settings, asterisk):
        network = pstn.Network(port, settings.asterisk.sip.port, sounds or tones(folder / "tones"))
        async with pstn.running(network, installed(), root=folder / "pstn") as playing:
            yield settings, asterisk, playing


def tones(folder: Path) -> Path:
    """A folder with what subscribers say, as tones of 0.6 s."""
    folder.mkdir(exist_ok=True)
    for index, name in enumerate(pstn.SOUNDS):
        write_tone(folder / f"{name}.wav", hertz=400 + 100 * index, seconds=0.6)
    return folder


def write_tone(file: Path, *, hertz: float, seconds: float) -> None:
    with wave.open(str(file), "wb") as out:
        out.setparams((1, 2, 8000, 0, "NONE", ""))
        out.writeframes(tone(hertz=hertz, seconds=seconds))


def tone(*, hertz: float, seconds: float) -> bytes:
    """PCM with pauses of 80 ms every 0.4 s, as words have."""
    loudness = (8000 if i % 3200 < 2560 else 0 for i in range(int(8000 * seconds)))
    return array.array("h", (int(a * math.sin(math.tau * hertz * i / 8000)) for i, a in enumerate(loudness))).tobytes()


def laid_over(raw: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """`raw` with what `overrides` says instead, level by level."""
    laid = dict(raw)
    for key, value in overrides.items():
        below = laid.get(key)
        laid[key] = laid_over(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return laid
