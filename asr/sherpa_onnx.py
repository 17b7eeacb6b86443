"""Recognition by sherpa-onnx in worker processes: T-one, streaming zipformers, and offline models such as GigaAM.

open ─▶ the model's folder is looked at ─▶ Pool of `asr._sherpa` ─▶ SherpaRecognizer.listen ─▶ Hearing
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from asr._pool import Pool
from asr._pooled import Pooled, Workers
from asr._sherpa import KINDS, OFFLINE, files, kind_of
from engine.errors import ConfigError


class Settings(Workers):
    model: Path  # its folder
    kind: Literal["auto", "t_one", "transducer", "offline_transducer", "nemo_transducer", "nemo_ctc"] = "auto"
    partial_s: Annotated[float, Field(ge=0, le=10)] = 0.6  # an offline model looks at what there is so often; 0: never


class SherpaRecognizer(Pooled):
    """One model, one language: `language` of an utterance is not looked at.

    `phrases` bias transducers that come with their bpe.vocab; the others hear freely.
    """

    def __init__(self, pool: Pool, model: Path) -> None:
        super().__init__(pool)
        self.model = model


@asynccontextmanager
async def open(settings: Settings, *, data_dir: Path) -> AsyncGenerator[SherpaRecognizer]:
    """Enters when the first worker has loaded the model. Raises ConfigError where there is no such model or no
    sherpa-onnx, SpeechError where it cannot be loaded."""
    if find_spec("sherpa_onnx") is None:
        raise ConfigError("sherpa-onnx is not installed: pip install 'dozvon[sherpa]'")
    kind, size = check(settings.model, settings.kind)
    pool = settings.pool(
        "asr._sherpa",
        {"model": str(settings.model), "kind": kind, "partial_s": settings.partial_s},
        memory_mb=1024 + 4 * (size >> 20),
    )
    async with pool.running():
        yield SherpaRecognizer(pool, settings.model)


def check(model: Path, kind: str = "auto") -> tuple[str, int]:
    """The kind of a model and the size of its files. Raises ConfigError if sherpa-onnx could not load it: it would end
    its process without a word."""
    if not model.is_dir():
        raise ConfigError(f"there is no sherpa-onnx model in {model}: `dozvon models install NAME` fetches one")
    found, kind = files(model), kind_of(model) if kind == "auto" else kind
    wanted = ("model", "tokens") if kind in ("t_one", "nemo_ctc") else ("encoder", "decoder", "joiner", "tokens")
    if missing := [name for name in wanted if name not in found]:
        raise ConfigError(
            f"{model} is no sherpa-onnx model, it lacks {', '.join(missing)}; a kind can be named: {', '.join(KINDS)}"
        )
    return kind, sum(found[name].stat().st_size for name in wanted)


def is_offline(kind: str) -> bool:
    """Such a one hears nothing before it is asked: its partials cost as much as its text."""
    return kind in OFFLINE
