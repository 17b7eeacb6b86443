"""Recognition by Vosk (Kaldi models) in worker processes; a card's phrases are all that is heard where it can be so.

open ─▶ the model's folder is looked at ─▶ Pool of `asr._vosk` ─▶ VoskRecognizer.listen ─▶ Hearing
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from asr._catalogue import demo_model, is_demo, is_model
from asr._pool import Pool
from asr._pooled import Pooled, Workers
from engine.errors import ConfigError


class Settings(Workers):
    model: Path | None = None  # its folder; none: the demonstration model


class VoskRecognizer(Pooled):
    """One model, one language: `language` of an utterance is not looked at, but by the
    embedded model, which knows Russian and English and hears any phrases of theirs."""

    def __init__(self, pool: Pool, model: Path) -> None:
        super().__init__(pool)
        self.model = model
        self.demonstration = is_demo(model)
        self.any_phrase = (model / "lexicon.json").is_file()  # it hears what it is told to expect, whatever that is


@asynccontextmanager
async def open(settings: Settings, *, data_dir: Path) -> AsyncGenerator[VoskRecognizer]:
    """Enters when the first worker has loaded the model. Raises ConfigError where there is no such model, SpeechError
    where it cannot be loaded."""
    model = settings.model or demo_model(data_dir)
    size = check(model)
    pool = settings.pool("asr._vosk", {"model": str(model)}, memory_mb=512 + 4 * (size >> 20))
    async with pool.running():
        yield VoskRecognizer(pool, model)


def check(model: Path) -> int:
    """The size of a model's files. Raises ConfigError if this is no folder of a Kaldi model that vosk can load."""
    if not model.is_dir():
        raise ConfigError(f"there is no Vosk model in {model}: `dozvon models install NAME` fetches one")
    if not is_model(model):
        raise ConfigError(
            f"{model} is no Kaldi model: it needs am/final.mdl and graph/HCLG.fst, or HCLr.fst and Gr.fst"
        )
    return sum(file.stat().st_size for file in model.rglob("*") if file.is_file())
