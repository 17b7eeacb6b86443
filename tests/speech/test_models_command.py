"""`dozvon models …` and what `dozvon check` says of recogniser and voice, as they are typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from asr._catalogue import DEMO, Entry, catalogue, is_model
from engine.commands.models import progress
from tests.processes import dozvon
from tests.speech.test_models import zipped

RUSSIAN = [entry for entry in catalogue() if entry.language == "ru" and entry.engine == "vosk"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "dozvon.yaml").write_text("data_dir: ./var\n", "utf-8")
    return tmp_path


def of(entries: list[Entry], *, known: bool) -> Entry:
    """The first whose checksum is in the catalogue, or is not."""
    return next(entry for entry in entries if (entry.sha256 is not None) is known)


async def found(home: Path, part: str) -> dict[str, str]:
    _, said, _ = await dozvon(home, "check", "--json")
    (finding,) = [each for each in json.loads(said)["findings"] if each["part"] == part]
    return dict(finding)


async def test_check_names_the_recogniser_the_voice_and_how_to_get_better_ones(home: Path) -> None:
    told = await found(home, "recogniser")
    assert (told["state"], told["text"][:23]) == ("warn", "the demonstration model")
    assert told["mend"].startswith("for people: dozvon models install ")
    assert told["mend"].split()[-1] in {entry.name for entry in catalogue()}
    told = await found(home, "voice")
    assert told["state"] == "ok"
    assert told["text"]


async def test_an_archive_given_by_hand_is_installed_taken_and_removed(home: Path) -> None:
    entry = of(RUSSIAN, known=False)
    (home / "model.zip").write_bytes(zipped())
    code, said, complained = await dozvon(home, "models", "install", entry.name, "--archive", "model.zip")
    folder = home / "var" / "models" / entry.name
    assert code == 0, complained
    assert str(folder) in said
    assert is_model(folder)
    told = await found(home, "recogniser")
    assert (told["state"], entry.name in told["text"]) == ("ok", True)
    _, said, _ = await dozvon(home, "models", "list")
    here = [line.split()[1] for line in said.splitlines() if line.startswith("* ")]
    assert here == [entry.name]
    assert f"in use: the Vosk model {entry.name}" in said
    code, _, _ = await dozvon(home, "models", "remove", entry.name)
    assert (code, folder.exists()) == (0, False)
    _, said, _ = await dozvon(home, "models", "list")
    assert "in use: the demonstration model" in said
    assert DEMO not in [line.split()[1] for line in said.splitlines() if line.startswith("* ")]


async def test_an_archive_that_is_not_its_publishers_is_refused(home: Path) -> None:
    entry = of(list(catalogue()), known=True)
    (home / "model.zip").write_bytes(zipped())
    code, _, complained = await dozvon(home, "models", "install", entry.name, "--archive", "model.zip")
    assert code != 0
    assert "SHA-256" in complained
    assert not (home / "var" / "models" / entry.name).exists()
    assert (home / "model.zip").exists()


async def test_every_model_is_listed_with_its_size_licence_and_error_rate(home: Path) -> None:
    code, said, _ = await dozvon(home, "models", "list")
    assert code == 0
    for entry in catalogue():
        (line,) = [line for line in said.splitlines() if entry.name in line.split() and "MB" in line]
        assert entry.licence in line
        assert entry.wer is None or f"{entry.wer:g} % of words wrong on the telephone ({entry.source})" in line


def test_progress_is_a_line_that_moves_on_a_terminal_and_every_tenth_elsewhere(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tell = progress()
    for done in range(0, 101):
        tell(done * 1_000_000, 100_000_000)
    assert capsys.readouterr().err.splitlines() == [f"{done} of 100 MB" for done in range(0, 101, 10)]
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    tell = progress()
    tell(1_000_000, 3_000_000)
    tell(2_000_000, 3_000_000)
    assert capsys.readouterr().err == "\r1 of 3 MB \r2 of 3 MB "
