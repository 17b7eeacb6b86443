"""Recognition of English menus by pocketsphinx in worker processes: a card's phrases are the grammar.

open ─▶ Pool of `asr._pocketsphinx` ─▶ SphinxRecognizer.listen ─▶ Hearing
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

from asr._pooled import Pooled, Workers
from engine.errors import ConfigError


class Settings(Workers):
    model: Path | None = None  # a folder like pocketsphinx's own en-us; none: that one, which comes with the library


class SphinxRecognizer(Pooled):
    """English only: `language` of an utterance is not looked at."""


@asynccontextmanager
async def open(settings: Settings, *, data_dir: Path) -> AsyncGenerator[SphinxRecognizer]:
    """Enters when the first worker has loaded the model. Raises ConfigError where there is no pocketsphinx or no model,
    SpeechError where it cannot be loaded."""
    if find_spec("pocketsphinx") is None:
        raise ConfigError("pocketsphinx is not installed: pip install 'dozvon[pocketsphinx]'")
    if settings.model is not None and not (settings.model / "en-us" / "mdef").is_file():
        raise ConfigError(f"there is no pocketsphinx model in {settings.model}: it needs en-us/mdef")
    pool = settings.pool("asr._pocketsphinx", {"model": str(settings.model or "")}, memory_mb=1024)
    async with pool.running():
        yield SphinxRecognizer(pool)
