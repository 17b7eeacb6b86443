"""What is particular to sherpa-onnx: kinds of models, what a folder says of itself, models that do not load.

Hearing is proved by the contract on tiny models of the forms that can be made here. NeMo's transducers cannot: of
them the way to the library is proved, up to its refusal of files that are no models.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from asr import _sherpa, sherpa_onnx
from asr._sherpa import OfflineUtterance, SherpaModel, StreamingUtterance, files, kind_of
from engine.errors import ConfigError, SpeechError
from tests.speech.onnx import spelt, t_one

TRANSDUCER = ("encoder.int8.onnx", "encoder.onnx", "decoder.onnx", "joiner.int8.onnx", "tokens.txt")
CTC = ("model.int8.onnx", "tokens.txt")


def laid(folder: Path, *names: str) -> Path:
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x" * (10 if "int8" in name else 20))
    return folder


@pytest.mark.parametrize(
    ("folder", "names", "kind"),
    [
        ("sherpa-onnx-streaming-t-one-russian", ("model.onnx", "tokens.txt"), "t_one"),
        ("sherpa-onnx-streaming-zipformer-small-ru", TRANSDUCER, "transducer"),
        ("sherpa-onnx-zipformer-ru", TRANSDUCER, "offline_transducer"),
        ("vosk-model-ru-0.54", ("am-onnx/encoder.onnx", "am-onnx/decoder.onnx", "am-onnx/joiner.onnx",
                                "lang/tokens.txt"), "offline_transducer"),
        ("sherpa-onnx-nemo-transducer-giga-am-v3", TRANSDUCER, "nemo_transducer"),
        ("sherpa-onnx-nemo-ctc-giga-am-v3", CTC, "nemo_ctc"),
        ("no-tokens", ("model.onnx",), ""),
        ("half", ("encoder.onnx", "tokens.txt"), ""),
        ("empty", (), ""),
    ],
)  # fmt: skip
def test_a_folder_tells_its_kind(tmp_path: Path, folder: str, names: tuple[str, ...], kind: str) -> None:
    assert kind_of(laid(tmp_path / folder, *names)) == kind


def test_the_smaller_of_several_files_is_taken(tmp_path: Path) -> None:
    found = files(laid(tmp_path, *TRANSDUCER, "bpe.vocab"))
    assert {name: file.name for name, file in found.items()} == {
        "encoder": "encoder.int8.onnx", "decoder": "decoder.onnx", "joiner": "joiner.int8.onnx",
        "tokens": "tokens.txt", "bpe_vocab": "bpe.vocab",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "names"),
    [("t_one", CTC), ("transducer", TRANSDUCER), ("offline_transducer", TRANSDUCER), ("nemo_ctc", CTC)],
)
async def test_files_that_are_no_models_are_named_and_nothing_hangs(
    tmp_path: Path, kind: str, names: tuple[str, ...]
) -> None:
    settings = sherpa_onnx.Settings.model_validate({"model": laid(tmp_path / "m", *names), "kind": kind, "workers": 1})
    with pytest.raises(SpeechError, match="did not start"):
        async with sherpa_onnx.open(settings, data_dir=tmp_path):
            raise AssertionError


@pytest.mark.parametrize(("kind", "names"), [("auto", ()), ("transducer", CTC), ("t_one", TRANSDUCER)])
async def test_a_folder_without_its_files_is_refused_in_words(
    tmp_path: Path, kind: str, names: tuple[str, ...]
) -> None:
    (tmp_path / "m").mkdir()
    settings = sherpa_onnx.Settings.model_validate({"model": laid(tmp_path / "m", *names), "kind": kind})
    with pytest.raises(ConfigError, match="it lacks"):
        async with sherpa_onnx.open(settings, data_dir=tmp_path):
            raise AssertionError
    with pytest.raises(ConfigError, match="no sherpa-onnx model"):
        async with sherpa_onnx.open(sherpa_onnx.Settings(model=tmp_path / "gone"), data_dir=tmp_path):
            raise AssertionError


async def test_many_at_once_and_any_pieces(tmp_path: Path) -> None:
    settings = sherpa_onnx.Settings(model=t_one(tmp_path), workers=1)
    async with sherpa_onnx.open(settings, data_dir=tmp_path) as recognizer:
        assert recognizer.load().capacity >= 10
        texts = ["да", "нет", "позвоните завтра", "оператор"] * 3
        hearings = [recognizer.listen() for _ in texts]
        for hearing, text in zip(hearings, texts, strict=True):
            for frame in spelt(text):
                hearing.push(frame)
        assert [found.text for found in await asyncio.gather(*(one.finish() for one in hearings))] == texts


def test_streaming_hears_words_as_they_come(tmp_path: Path) -> None:
    utterance = SherpaModel(t_one(tmp_path), "t_one", 0.0).begin("ru", ())
    assert isinstance(utterance, StreamingUtterance)
    partials = [utterance.push(frame) for frame in spelt("не интересно")]
    assert "не ин" in {partial[:5] for partial in partials}
    assert utterance.finish()[0] == "не интересно"


class _Library:
    """What an offline recogniser of sherpa-onnx is to us; it "hears" how long the sound was, in tenths of a second."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.result: Any = None
        self.decoded = 0
        self._count = 0

    def create_stream(self, *words: str) -> _Library:
        self.asked.append(words)
        return self

    def accept_waveform(self, rate: int, samples: Any) -> None:
        self._count = len(samples) * 10 // rate

    def decode_stream(self, stream: object) -> None:
        self.decoded += 1
        self.result = type("Result", (), {"text": f"Слово, {self._count}!", "ys_probs": [-0.1, -0.3]})


def test_an_offline_model_looks_at_intervals_and_at_the_end() -> None:
    library = _Library()
    utterance = OfflineUtterance(library, "да/не надо", partial=4000)
    partials = [utterance.push(bytes(320)) for _ in range(60)]  # 1.2 s
    assert (partials[0], partials[30], partials[-1]) == ("", "слово 5", "слово 10")
    assert library.decoded == 2
    text, sure = utterance.finish()
    assert (text, library.decoded) == ("слово 12", 3)
    assert 0.8 < sure < 0.9
    assert set(library.asked) == {("да/не надо",)}


def test_an_offline_model_may_be_asked_at_the_end_only() -> None:
    library = _Library()
    utterance = OfflineUtterance(library, "", partial=0)
    assert {utterance.push(bytes(320)) for _ in range(300)} == {""}
    assert utterance.finish()[0] == "слово 60"
    assert library.asked == [()]
    assert OfflineUtterance(library, "", partial=0).finish() == ("", 0.0)


def test_phrases_become_a_bias() -> None:
    assert _sherpa._bias(["Не надо!", "да", "да", "/н.т/", ""]) == "не надо/да"
