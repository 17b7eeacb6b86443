"""`python -m asr.training`: makes asr/demo_model anew, in an hour on 2 cores. `make model` sets up what it needs.

rounds (another process speaks ahead) ─▶ network ─▶ model folder ─▶ judged through vosk ─▶ archive
"""

from __future__ import annotations

import argparse
import gzip
import io
import logging
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from asr._catalogue import DEMO
from asr._catalogue import DEMO_ARCHIVE as ARCHIVE
from asr._graph import Costs, Pronunciation
from asr._phones import SOUNDS, VOICES
from asr._vosk import VoskModel
from asr.training import corpus, kaldi
from asr.training.voices import Speaker

SEED = 20
ROUNDS, UTTERANCES, EPOCHS = 4, 14_000, 30
STEPS = ("speak", "train", "write", "judge", "pack", "all")

log = logging.getLogger("asr.training")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m asr.training", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("step", nargs="?", choices=STEPS, default="all")
    parser.add_argument("--work", type=Path, default=Path("var/training"), help="what is kept between the steps")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="times that the voices speak")
    parser.add_argument("--utterances", type=int, default=UTTERANCES, help="of a round")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--threads", type=int, default=1, help="more learn faster, and not just the same")
    parser.add_argument("--only", type=int, help="speak this round alone")
    asked = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    if asked.only is None:  # who only speaks ends at once: in a callback of the library nobody hears of an exit
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what runs beside ends too
    asked.work.mkdir(parents=True, exist_ok=True)
    if asked.step == "speak":
        speak(asked)
    if asked.step in ("train", "all"):
        train(asked)
    if asked.step in ("write", "all"):
        write(asked)
    if asked.step in ("judge", "all"):
        judge(asked)
    if asked.step in ("pack", "all"):
        pack(asked.work / "model", ARCHIVE)
    return 0


def _round(asked: argparse.Namespace, number: int) -> Path:
    return Path(asked.work / f"round-{asked.seed}-{asked.utterances}-{number}.npz")


def speak(asked: argparse.Namespace) -> None:
    """Each round in a process of its own: its bytes depend on what a process has said before."""
    if asked.only is not None:
        corpus.speak(_round(asked, asked.only), asked.seed, asked.only, asked.utterances)
        return
    for number in range(asked.rounds):
        if not _round(asked, number).is_file():
            with _another(asked, "speak", f"--only={number}") as speaking:
                if speaking.wait():
                    raise SystemExit(f"round {number + 1} was not spoken")
        log.info("round %d of %d is spoken", number + 1, asked.rounds)


@contextmanager
def _another(asked: argparse.Namespace, step: str, *more: str) -> Iterator[subprocess.Popen[bytes]]:
    """This program beside itself; it ends with the body."""
    passed_on = [f"--{name}={getattr(asked, name)}" for name in ("work", "seed", "rounds", "utterances")]
    process = subprocess.Popen([sys.executable, "-m", "asr.training", step, *passed_on, *more])
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def train(asked: argparse.Namespace) -> None:
    """The network learns what has been spoken so far, again, while more is spoken: the later the epoch, the more."""
    from asr.training.network import Utterance
    from asr.training.network import train as learn

    with _another(asked, "speak") as speaking:

        @lru_cache(1)
        def of(epoch: int) -> list[Utterance]:
            file = _round(asked, epoch % min(asked.rounds, 1 + epoch * asked.rounds // (asked.epochs * 4 // 5)))
            while not file.is_file():
                if speaking.poll():
                    raise SystemExit("the voices could not speak")
                time.sleep(1)
            return corpus.read(file)

        learn(of, epochs=asked.epochs, seed=asked.seed, kept=asked.work / "network.pt", threads=asked.threads)


def write(asked: argparse.Namespace) -> None:
    from asr.training.network import layers, restored

    spoken = lexicon()
    answers = {word for language in spoken for text in corpus.texts(language).answers for word in text.split()}
    answers &= {word for words in spoken.values() for word in words}
    words = {word: [*ways] for common in spoken.values() for word, ways in common.items() if word in answers}
    for common in spoken.values():
        for word, way in _before_others(common):
            if way not in words.get(word, [way]):
                words[word].append(way)
    kaldi.write(asked.work / "model", layers(restored(asked.work / "network.pt")), SOUNDS, words, spoken, Costs())
    log.info("%s is written", asked.work / "model")


def _before_others(spoken: Mapping[str, Sequence[Pronunciation]]) -> Iterator[tuple[str, Pronunciation]]:
    """How a word sounds before another one, where phrases tell it: the «не» of «не интересно»."""
    for phrase, ways in spoken.items():
        first, _, rest = phrase.partition(" ")
        for end in spoken.get(rest, ()):
            yield from ((first, way[: -len(end)]) for way in ways if way[-len(end) :] == end and len(way) > len(end))


def lexicon() -> dict[str, dict[str, list[Pronunciation]]]:
    """How the common words and phrases of each language sound."""
    speaker = Speaker()
    return {
        language: {
            text: list(dict.fromkeys(speaker.sounds(voice, text) for voice in voices))
            for text in corpus.texts(language).all
        }
        for language, voices in VOICES.items()
    }


def judge(asked: argparse.Namespace) -> None:
    from asr.training.judge import endings, memory_mb, report

    for name, score in report(asked.work / "model").items():
        log.info("%-42s %s", name, score)
        log.info("%42s %s", "", score.mistakes.most_common(6))
    log.info("%.0f MB of memory", memory_mb())
    model = VoskModel(asked.work / "model")
    delays = sorted(endings(model, Speaker(), "ru"))
    model.close()
    log.info("phrases ended by vosk: %d, after %.2f s in the middle", len(delays), delays[len(delays) // 2])


def pack(folder: Path, archive: Path) -> None:
    """The folder as vosk-demo.tar.gz, the same bytes for the same files."""
    kept = io.BytesIO()
    with tarfile.open(fileobj=kept, mode="w") as tar:
        for file in sorted(file for file in folder.rglob("*") if file.is_file()):
            member = tarfile.TarInfo(f"{DEMO}/{file.relative_to(folder)}")
            member.size, member.mode = file.stat().st_size, 0o644
            with file.open("rb") as data:
                tar.addfile(member, data)
    archive.write_bytes(gzip.compress(kept.getvalue(), 9, mtime=0))
    log.info("%s: %.2f MB", archive, archive.stat().st_size / 1e6)


if __name__ == "__main__":
    sys.exit(main())
