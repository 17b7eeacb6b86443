"""What the engine says of parts and calls is said in Russian too; every code has both languages."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.rules import why
from web.api import status
from web.pages.labels import LABELS, evidence
from web.words import MENDS, PROBLEMS, REASONS, TEXTS, TITLES, below

ROOT = Path(why.__file__).resolve().parents[2]
ERRORS = ("SpeechError", "Overloaded", "WorkerGone", "ChannelDown", "RecordingLost", "NothingRecorded", "NotReached")
TOLD = (*ERRORS, "CardError", "tell", "state", "_lose")
# What only the command line and the tests of an installation say.
ELSEWHERE = ("engine/commands/", "engine/store/", "asr/training/", "asr/_phones", "asr/_espeak")
CYRILLIC = re.compile("[А-Яа-яЁё]")


def text_of(node: ast.expr) -> str:
    """A text as it may come out: what is filled in stands there as a number, which is at home everywhere."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "7" for part in node.values)
    if isinstance(node, ast.BinOp):
        return text_of(node.left) + text_of(node.right)
    return ""


def sayings() -> Iterator[tuple[str, str]]:
    """(where, what) of every sentence given to an error or to a part's state."""
    for room in ("engine", "channels", "asr", "tts", "scenarios"):
        for file in sorted((ROOT / room).rglob("*.py")):
            name = str(file.relative_to(ROOT))
            if name.startswith(ELSEWHERE):
                continue
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                if isinstance(node, ast.Call):
                    called = getattr(node.func, "id", getattr(node.func, "attr", ""))
                    texts = [text_of(each) for each in node.args] if called in TOLD else []
                    yield from ((f"{name}:{node.lineno}", text) for text in texts if " " in text.strip(" 7"))


def test_everything_that_the_engine_says_is_known_in_russian() -> None:
    found = list(sayings())
    assert len(found) > 60
    assert [(where, text) for where, text in found if not CYRILLIC.search(below("ru", text))] == []


def test_what_recognition_went_through_is_said_in_russian() -> None:
    died = "the recogniser's process has gone in the middle of speech"
    full = "no recogniser was free in time: add workers, or call fewer people at once"
    assert below("ru", f"not recognised: {died}") == "Не распознано: Процесс распознавателя упал посреди речи"
    once = below("ru", f"vosk took over from far: {died}")
    assert once == "Вместо far отвечает vosk: Процесс распознавателя упал посреди речи"
    twice = below("ru", f"b took over from a: {full}; c took over from b: {died}")
    assert twice.startswith("Вместо a отвечает b: ") and "; Вместо b отвечает c: Процесс" in twice
    assert not re.search("took|free|gone", once + twice)


def test_reasons_that_are_codes_are_words_in_both_languages() -> None:
    assert below("en", "shutdown") == "the robot was being stopped" and below("ru", "hung up") == "завершён из панели"
    assert below("en", "it never rang") == "it never rang" and below("ru", "") == ""


def test_what_is_within_a_sentence_is_translated_with_it() -> None:
    told = below("ru", "material 5 cannot be played: the file is empty (0 bytes)")
    assert told == "Материал 5 не воспроизводится: файл пуст (0 байт)"
    assert below("ru", "{0} {broken cannot be played: {1}") == "{0} {broken не воспроизводится: {1}"


@pytest.mark.parametrize("words", [TEXTS, TITLES, REASONS, PROBLEMS, MENDS, why.WORDS])
def test_every_code_has_both_languages_with_the_same_holes(words: dict[str, dict[str, str]]) -> None:
    holes = re.compile(r"\{(\w+)\}")
    for code, said in words.items():
        assert said["en"] and CYRILLIC.search(said["ru"]), code
        assert set(holes.findall(said["en"])) == set(holes.findall(said["ru"])), code


def test_every_part_and_every_problem_has_a_mend() -> None:
    assert LABELS["part"].keys() <= MENDS.keys() and PROBLEMS.keys() <= MENDS.keys()
    source = Path(status.__file__).read_text("utf-8")
    assert set(re.findall(r'_problem\([\w".]+, "(\w+)"', source)) == PROBLEMS.keys()


def test_all_evidence_of_who_answered_has_words() -> None:
    tree = ast.parse((ROOT / "engine/rules/amd.py").read_text("utf-8"))
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)]
    whats = {text_of(n.args[1]) for n in calls if n.func.attr == "_once" and len(n.args) == 4}  # type: ignore[attr-defined]
    whats |= {text_of(n.args[0]) for n in calls if n.func.attr == "_add" and len(n.args) == 3}  # type: ignore[attr-defined]
    whats = {what.replace("7_tone", "busy_tone") for what in whats if what}
    assert len(whats) > 8
    assert [what for what in whats if not CYRILLIC.search(evidence("ru")(what))] == []
    assert evidence("en")("beep_1000_hz") == "a beep of 1000 Hz"
    assert evidence("ru")("phrase: оставьте сообщение") == "сказано: «оставьте сообщение»"
    assert evidence("ru")("never heard of") == "never heard of"
