"""Commands that work on the store, from the outside: accounts, tokens, numbers, the numbering plan, scenarios."""

from __future__ import annotations

import asyncio
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from engine.config import load
from engine.store import Ask, open_store
from tests.engine.test_cli import ROOT, TIMEOUT_S, dozvon
from web.auth import check_password, digest

TRUNK = {"DOZVON_TRUNKS__MAIN__HOST": "127.0.0.1"}
NUMBERS = "number;trunk;operator;region;kind;monthly_price\n"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "dozvon.yaml").write_text("{}")
    (tmp_path / "pw").write_text("correct horse\nsecond line\n")
    return tmp_path


def test_a_user_and_a_token_from_nothing(home: Path) -> None:
    made = dozvon("user", "create", "Anna@Example.org", "--admin", "--password-file", "pw", cwd=home)
    assert (made.returncode, made.stderr) == (0, "")
    told = dozvon("token", "create", "anna@example.org", "--scopes", "read, call_password", cwd=home)
    assert told.returncode == 0, told.stderr
    token = told.stdout.removesuffix("\n")
    assert len(token) > 40
    assert not set(token) & set(" \n")

    async def look() -> None:
        async with open_store(load(home / "dozvon.yaml", {}).database_url) as store:
            user = await store.users.by_email("anna@example.org")
            assert user is not None
            assert user.admin
            assert check_password(user.password_hash, "correct horse")
            found = await store.users.token(digest(token))
            assert found is not None
            assert (found[1].id, set(found[0].scopes)) == (user.id, {"read", "call_password"})

    asyncio.run(look())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["user", "create", "anna", "--password-file", "pw"], "is no e-mail address"),
        (["user", "create", "a@b.c"], "give --password-file"),
        (["user", "create", "a@b.c", "--password-file", "short"], "must have 10 to 1024 characters"),
        (["user", "create", "a@b.c", "--password-file", "absent"], "absent: No such file"),
        (["token", "create", "nobody@b.c"], "there is no user nobody@b.c"),
        (["token", "create", "a@b.c", "--scopes", "everything"], "not everything"),
        (["token", "create", "a@b.c", "--scopes", ","], "not none"),
    ],
)
def test_what_will_not_do_is_told(home: Path, words: list[str], told: str) -> None:
    (home / "short").write_text("123456789\n")
    done = dozvon(*words, cwd=home)
    assert (done.returncode, done.stdout) == (1, "")
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_same_user_twice(home: Path) -> None:
    words = ["user", "create", "a@b.c", "--password-file", "-"]
    assert dozvon(*words, cwd=home, stdin="correct horse\n").returncode == 0
    again = dozvon(*words, cwd=home, stdin="correct horse\n")
    assert (again.returncode, again.stderr) == (1, "dozvon: there is a user a@b.c already\n")


def test_a_password_asked_for_is_asked_twice_and_not_shown(home: Path) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "engine", "user", "create", "a@b.c"], cwd=home,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    for prompt, answer in ((b"shown): ", b"correct horse\n"), (b"again: ", b"correct house\n")):
        while not shown.endswith(prompt):
            shown += os.read(ours, 1024)
        os.write(ours, answer)
    while b"differ" not in shown:
        shown += os.read(ours, 1024)
    assert process.wait(TIMEOUT_S) == 1
    os.close(ours)
    assert b"horse" not in shown


def test_numbers_are_added_and_refreshed(home: Path) -> None:
    (home / "n.csv").write_text(
        NUMBERS + "+74950000001;main;МТТ;Москва;landline;30000\n+79990000001;main;;;mobile;\n\n", "utf-8"
    )
    first = dozvon("numbers", "import", "n.csv", cwd=home, **TRUNK)
    assert (first.stderr, first.stdout) == ("", "2 new numbers, 0 refreshed\n")
    (home / "more.csv").write_text("trunk,number,region\nmain,+74950000001,Тверь\nmain,+74950000003,\n", "utf-8-sig")
    assert dozvon("numbers", "import", "more.csv", cwd=home, **TRUNK).stdout == "1 new numbers, 1 refreshed\n"

    async def look() -> dict[str, str]:
        async with open_store(load(home / "dozvon.yaml", {}).database_url) as store:
            return {row.number: row.region for row in (await store.numbers.page(Ask(), user=None)).items}

    assert asyncio.run(look()) == {"+74950000001": "Тверь", "+79990000001": "", "+74950000003": ""}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (NUMBERS + "112;main;;;;\n+74950000001;mian;;;;\n+74950000002;main;;;;-1\n", ["n.csv:2", "n.csv:3", "n.csv:4"]),
        (NUMBERS + "+74950000001;main;;;;\n+74950000001;main;;;;\n", ["n.csv:3: this number stands there twice"]),
        ("phone;trunk\n+74950000001;main\n", ["the first line must name"]),
        ("number\n+74950000001\n", ["number and trunk among them"]),
        (NUMBERS, ["no numbers"]),
        ("", ["the first line must name"]),
        ("number;trunk\n" + "9" * 200_000, ["field larger than field limit"]),
    ],
)
def test_bad_numbers_are_all_told_and_none_is_taken(home: Path, text: str, told: list[str]) -> None:
    (home / "n.csv").write_text(text, "utf-8")
    done = dozvon("numbers", "import", "n.csv", cwd=home, **TRUNK)
    assert done.returncode == 1
    for part in told:
        assert part in done.stderr
    assert not (home / "var").exists()


def test_the_numbering_plan_is_imported_whole_or_not_at_all(home: Path) -> None:
    head = '"АВС/ DEF";"От";"До";"Емкость";"Оператор";"Регион";"Территория ГАР";"ИНН"\n'
    (home / "plan.csv").write_text(
        head + '900;"0000000";"0061999";"62000";"ООО ""Т2 Мобайл""";"Краснодарский край";"";"7743895280"\n',
        "utf-8",
    )
    assert dozvon("numbering", "import", "plan.csv", cwd=home).stdout == "1 ranges imported\n"
    (home / "bad.csv").write_text(head + "900;zero;1;2;x;y;z;1\n", "utf-8")
    done = dozvon("numbering", "import", "bad.csv", cwd=home)
    assert done.returncode == 1
    assert "bad.csv" in done.stderr


def test_scenarios_are_checked_with_every_problem(home: Path) -> None:
    (home / "good.yaml").write_text(
        "{dozvon: 1, name: A, start: a, nodes: {a: {kind: play, say: Да, next: b}, b: {kind: hangup}}}"
    )
    (home / "bad.yaml").write_text(
        "{dozvon: 1, name: A, start: z, nodes: {a: {kind: plya}, b: {kind: play, say: x, next: q}}}"
    )
    good = dozvon("scenario", "check", "good.yaml", cwd=home)
    assert (good.returncode, good.stdout) == (0, "good.yaml: right\n")
    bad = dozvon("scenario", "check", "good.yaml", "bad.yaml", cwd=home, LC_ALL="C")
    assert bad.returncode == 1
    for path, code in (("/nodes/a/kind", "unknown_kind"), ("/nodes/b/next", "nowhere")):
        assert any(path in line and code in line for line in bad.stdout.splitlines()), bad.stdout


def test_migrate_is_safe_to_repeat_and_check_knows_what_it_did(home: Path) -> None:
    for _ in range(2):
        done = dozvon("migrate", cwd=home)
        assert (done.returncode, done.stderr) == (0, "")
    assert "this version's tables" not in dozvon("check", cwd=home).stdout
    (home / "var/dozvon.db").write_bytes(b"")
    assert "! database" in dozvon("check", cwd=home).stdout


def test_a_reader_that_goes_away_is_no_failure_to_tell(home: Path) -> None:
    script = f'"{sys.executable}" -m engine models list | true'
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["sh", "-c", script], cwd=home, env=env, capture_output=True, text=True, timeout=TIMEOUT_S)
    assert done.stderr == ""


TESTED = """
dozvon: 1
name: A
start: ask
nodes:
  ask:
    kind: recognize
    say: "Да?"
    filters: [{voice: [да], goto: yes}, {other: true, goto: bye}, {silence: true, goto: bye}]
  yes: {kind: goal, tag: agreed, next: bye}
  bye: {kind: hangup}
tests:
  - {name: agrees, subscriber: [{say: "да"}], expect: {path: [ask, yes, bye], result: goal}}
  - {name: silent, expect: {path: [ask, %s]}}
"""


@pytest.mark.parametrize("sound", [[], ["--audio"]])
def test_a_scenarios_own_tests_are_run(home: Path, sound: list[str]) -> None:
    (home / "right.yaml").write_text(TESTED % "bye", "utf-8")
    (home / "wrong.yaml").write_text(TESTED % "yes", "utf-8")
    right = dozvon("scenario", "test", "right.yaml", *sound, cwd=home)
    assert (right.returncode, right.stderr) == (0, "")
    assert right.stdout.splitlines()[-1] == "right.yaml: 2 passed, 0 failed"
    assert ("'да' was heard as 'да'" in right.stdout) == bool(sound)
    wrong = dozvon("scenario", "test", "right.yaml", "wrong.yaml", *sound, cwd=home)
    assert wrong.returncode == 1
    assert "wrong.yaml: ✓ agrees" in wrong.stdout
    assert "wrong.yaml: ✗ silent" in wrong.stdout
    assert wrong.stdout.splitlines()[-1] == "wrong.yaml: 1 passed, 1 failed"


def test_a_scenario_without_tests_is_not_proved(home: Path) -> None:
    (home / "none.yaml").write_text("{dozvon: 1, name: A, start: b, nodes: {b: {kind: hangup}}}")
    done = dozvon("scenario", "test", "none.yaml", cwd=home)
    assert (done.returncode, "no tests" in done.stdout) == (1, True)
