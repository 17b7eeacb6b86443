from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile  # type: ignore[import-untyped]

from bench.hearing import corpus, texts
from bench.hearing.corpus import Clip, Span, span
from engine import audio
from engine.errors import InputError
from engine.model import RATE
from scenarios.interpreter import Interpreter
from scenarios.talk import Heard, Visit
from tests.engine.rig import MONDAY

HEAD = "audio,text,label,language,source,license"


def wav(file: Path, *, rate: int = RATE, channels: int = 1, seconds: float = 0.5) -> None:
    tone = 0.3 * np.sin(2 * np.pi * 300 * np.arange(round(seconds * rate)) / rate)
    soundfile.write(file, np.column_stack([tone] * channels), rate)


def refused(folder: Path, manifest: str, name: str = "manifest.csv") -> str:
    (folder / name).write_text(manifest, "utf-8")
    with pytest.raises(InputError) as told:
        corpus.load(folder)
    return str(told.value)


def test_a_corpus_of_ones_own_is_read(tmp_path: Path) -> None:
    wav(tmp_path / "a.wav")
    (tmp_path / "manifest.csv").write_text(f"{HEAD}\na.wav,да,да,ru,me,CC0\n", "utf-8-sig")
    assert corpus.load(tmp_path) == [Clip(corpus.load(tmp_path)[0].pcm, "да", "да", "ru", "me", "CC0")]


@pytest.mark.parametrize(("rate", "channels"), [(8000, 2), (44_100, 1), (16_000, 2), (48_000, 1)])
def test_other_rates_and_stereo_are_brought_to_the_telephone_band(tmp_path: Path, rate: int, channels: int) -> None:
    wav(tmp_path / "a.wav", rate=rate, channels=channels)
    (tmp_path / "manifest.jsonl").write_text(json.dumps({"audio": "a.wav", "text": "да", "label": "да"}), "utf-8")
    (clip,) = corpus.load(tmp_path)
    assert len(clip.pcm) / 2 == pytest.approx(RATE / 2, abs=20)


def test_semicolons_of_spreadsheets_are_taken(tmp_path: Path) -> None:
    wav(tmp_path / "a.wav")
    (tmp_path / "manifest.csv").write_text("audio;text;label\na.wav;да, удобно;да\n", "utf-8")
    assert [clip.text for clip in corpus.load(tmp_path)] == ["да, удобно"]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("b.wav,да,да,ru,,", "line 2: there is no file b.wav"),
        (",да,да,ru,,", "line 2: audio is empty"),
        ("../a.wav,да,да,ru,,", "lies outside of the corpus"),
        ("a.wav,да,да,fr,,", "'fr': ru and en can be measured"),
        ("a.wav,да,amd:robot,ru,,", "choose from amd:person, amd:machine"),
        ("a.wav,да,да,ru,,,,", "put quotes around texts with commas"),
        ("empty.wav,да,да,ru,,", "line 2: the file is empty"),
        ("zip.wav,да,да,ru,,", "this is a ZIP archive: give a wav"),
        ("slow.wav,да,да,ru,,", "2000 Hz is not taken: 4000 to 192000 Hz are"),
    ],
)
def test_a_wrong_line_is_named_with_what_to_do(tmp_path: Path, line: str, told: str) -> None:
    wav(tmp_path / "a.wav")
    wav(tmp_path / "slow.wav", rate=2000)
    (tmp_path / "empty.wav").touch()
    (tmp_path / "zip.wav").write_bytes(b"PK\x03\x04" + bytes(100))
    assert told in refused(tmp_path, f"{HEAD}\n{line}\n")


def test_every_wrong_line_is_told_at_once_but_no_book_of_them(tmp_path: Path) -> None:
    told = refused(tmp_path, HEAD + "\n" + "none.wav,да,да,ru,,\n" * 500)
    assert told.count("there is no file") == corpus.MOST_TOLD
    assert "manifest.csv, line 3: " in told and told.endswith("mend these first")


@pytest.mark.parametrize(
    ("name", "manifest", "told"),
    [
        ("manifest.csv", "file,words\n", "line 1: there is no column audio, text, label"),
        ("manifest.csv", f"{HEAD}\n", "lists no clips"),
        ("manifest.jsonl", "{", "line 1: this is no JSON"),
        ("manifest.jsonl", "\n[]", "line 2: give an object"),
        ("manifest.jsonl", '{"audio": 5}', "line 1: audio must be text"),
    ],
)
def test_a_manifest_that_is_none_is_refused(tmp_path: Path, name: str, manifest: str, told: str) -> None:
    assert told in refused(tmp_path, manifest, name)


def test_a_folder_without_a_manifest_says_what_it_must_hold(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"put manifest\.csv or manifest\.jsonl there, each line with audio, text"):
        corpus.load(tmp_path)


def test_a_manifest_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_bytes(f"{HEAD}\na.wav,да".encode("cp1251"))
    with pytest.raises(InputError, match="save it as UTF-8"):
        corpus.load(tmp_path)


def test_speech_is_found_between_silences() -> None:
    loud = audio.tone(300, 0.4).pcm
    assert span(bytes(3200) + loud + bytes(4800)) == Span(200, 600)
    assert span(b"") == Span(0, 0)
    assert span(bytes(3200)) == Span(0, 200)


def test_commands_are_the_labels_of_each_language() -> None:
    labels = [("да", "ru"), ("", "ru"), ("yes", "en"), ("нет", "ru"), ("да", "ru"), ("amd:person", "ru")]
    clips = [Clip(b"", "", label, language) for label, language in labels]
    assert corpus.commands(clips) == {"ru": ("да", "нет"), "en": ("yes",)}


@pytest.mark.parametrize("language", ["ru", "en"])
def test_what_is_said_is_a_command_or_none(language: str) -> None:
    """By the words alone: what the built-in corpora call foreign is no command, and each command is itself."""
    from bench.hearing.talks import menu

    scenario = menu(language, texts.COMMANDS[language])
    for command in texts.COMMANDS[language]:
        assert _left(scenario, command) == ("voice", command)
    assert {_left(scenario, phrase)[0] for phrase in texts.FOREIGN[language]} == {"other"}


def _left(scenario: Interpreter, said: str) -> tuple[str, str]:
    begun = scenario.start(now=MONDAY)
    visit: Visit = scenario.feed(begun.state, Heard(said), now=MONDAY).visits[0]
    return visit.by, visit.port
