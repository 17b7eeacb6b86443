"""Call passwords, jobs, requests that are done once, log-ins and tokens, and the numbering plan."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from engine.config import CallPassword as Limits
from engine.errors import Conflict, InputError, NotFound, TooOften
from engine.model import Status
from engine.store import Person, Store
from engine.store.tables import CallPassword, Login
from tests.contracts.world import HOUR, MINUTE, NOW, NUMBERS, World, unreached

PHONE = "+79000000001"


async def password(world: World, phone: str = PHONE, *, now: object = NOW, **limits: int) -> CallPassword:
    return await world.store.passwords.add(
        phone,
        user=world.anna,
        token_id=None,
        limits=Limits(**limits),
        now=now,  # type: ignore[arg-type]
    )


async def test_the_code_is_the_end_of_the_number_that_rings(world: World) -> None:
    store, anna = world.store, world.anna
    with pytest.raises(Conflict):
        await password(world)
    await store.numbers.rent(NUMBERS, user=anna, now=NOW)
    callers = set()
    for _ in NUMBERS:  # each time one that has not just rung there
        row = await password(world)
        assert row.caller in NUMBERS and row.code == row.caller[-4:]
        assert (row.state, row.attempts_left, row.expires_at) == ("calling", 3, NOW + 5 * MINUTE)
        callers.add(row.caller)
    assert callers == set(NUMBERS)
    for length in (2, 7):
        with pytest.raises(InputError):
            await store.passwords.add(PHONE, user=anna, token_id=None, limits=Limits(), now=NOW, code_length=length)


async def test_attempts_are_used_up(world: World) -> None:
    store, anna = world.store, world.anna
    await store.numbers.rent(NUMBERS[:1], user=anna, now=NOW)
    row = await password(world)
    assert await store.passwords.verify(row.id, "9999", user=anna, now=NOW) == (False, 2)
    assert await store.passwords.verify(row.id, row.code, user=anna, now=NOW) == (True, 1)
    with pytest.raises(Conflict):
        await store.passwords.verify(row.id, row.code, user=anna, now=NOW)
    row = await password(world)
    tries = await asyncio.gather(*(store.passwords.verify(row.id, "9999", user=anna, now=NOW) for _ in range(5)))
    assert sorted(tries) == [(False, 0), (False, 0), (False, 0), (False, 1), (False, 2)]
    assert await store.passwords.verify(row.id, row.code, user=anna, now=NOW) == (False, 0)
    assert (await store.passwords.get(row.id, user=anna, now=NOW)).state == "failed"
    row = await password(world)
    assert await store.passwords.verify(row.id, row.code, user=anna, now=NOW + 5 * MINUTE) == (False, 0)
    assert (await store.passwords.get(row.id, user=anna, now=NOW + 5 * MINUTE)).state == "expired"


async def test_limits_hold_even_for_requests_at_once(world: World) -> None:
    await world.store.numbers.rent(NUMBERS, user=world.anna, now=NOW)
    asked = [password(world, per_phone_per_hour=3) for _ in range(8)]
    done = await asyncio.gather(*asked, return_exceptions=True)
    assert sorted(type(each).__name__ for each in done) == ["CallPassword"] * 3 + ["TooOften"] * 5
    refused = next(each for each in done if isinstance(each, TooOften))
    assert refused.wait_s == 3600
    await password(world, now=NOW + HOUR, per_phone_per_hour=3)
    others = [password(world, f"+7900000010{n}", now=NOW + HOUR, per_token_per_minute=5) for n in range(8)]
    done = await asyncio.gather(*others, return_exceptions=True)
    assert sum(isinstance(each, TooOften) for each in done) == 4  # one was asked for in this minute already
    await password(world, "+79000000200", now=NOW + HOUR + MINUTE, per_token_per_minute=5)


async def test_it_is_rung_for_once(world: World) -> None:
    store = world.store
    await store.numbers.rent(NUMBERS[:1], user=world.anna, now=NOW)
    row = await password(world)
    taken = await store.calls.password(row.id)
    assert taken is not None and await store.calls.password(row.id) is None
    assert (taken.phone, taken.caller.number, taken.caller.trunk) == (PHONE, NUMBERS[0], "main")
    assert [call.uid for call in await store.calls.open_calls()] == [taken.uid]
    await store.calls.password_rang(row.id, delivered=True)
    await store.calls.password_rang(row.id, delivered=False)
    assert (await store.passwords.get(row.id, user=world.anna, now=NOW)).state == "delivered"
    assert await store.calls.end(taken.call_id, unreached(Status.NO_ANSWER))
    assert await store.calls.password(10**6) is None


async def test_what_was_never_rung_for_is_put_away(world: World) -> None:
    store, anna = world.store, world.anna
    await store.numbers.rent(NUMBERS[:1], user=anna, now=NOW)
    row = await password(world)
    assert await store.passwords.sweep(NOW) == 0
    assert await store.passwords.sweep(NOW + HOUR) == 1
    assert (await store.passwords.get(row.id, user=anna, now=NOW)).state == "expired"
    call = await store.calls.get(row.call_id or 0, user=anna)
    assert (call.status, call.ended_at) == ("blocked", NOW + HOUR)


# --- jobs


async def test_a_job_has_one_worker_at_a_time(world: World) -> None:
    jobs = world.store.jobs
    ids = [(await jobs.add("import", {"n": n}, now=NOW, user=world.anna)).id for n in range(3)]
    claims = await asyncio.gather(*(jobs.claim(f"w{n}", now=NOW, until=NOW + MINUTE) for n in range(6)))
    assert sorted(job.id for job in claims if job is not None) == ids
    first = next(job for job in claims if job is not None and job.id == ids[0])
    assert await jobs.progress(first.id, first.worker, done=5, total=10, until=NOW + 3 * MINUTE)
    again = await jobs.claim("late", now=NOW + 2 * MINUTE, until=NOW + HOUR)  # the others' workers have died
    assert again is not None and again.id == ids[1]
    assert not await jobs.progress(again.id, "w1-gone", done=1, total=1, until=NOW + HOUR)
    assert not await jobs.finish(again.id, "w1-gone", now=NOW)
    assert await jobs.finish(again.id, "late", now=NOW, result={"added": 3}, errors=[{"line": 2}] * 2000)
    done = await jobs.get(again.id, user=world.anna)
    assert (done.state, done.result, len(done.errors), done.finished_at) == ("done", {"added": 3}, 1000, NOW)
    assert await jobs.claim("x", now=NOW, until=NOW, kinds=["export"]) is None


# --- once


async def test_a_key_belongs_to_its_first_request(store: Store) -> None:
    user = (await store.users.add("a@example.com", "h", now=NOW)).id
    keys = store.idempotency
    old = NOW - 24 * HOUR
    claims = await asyncio.gather(*(keys.claim(user, "k", "digest", now=NOW, older_than=old) for _ in range(5)))
    assert [claim for claim in claims if claim is None] == [None]
    assert {claim.status for claim in claims if claim is not None} == {0}
    await keys.keep(user, "k", status=201, answer='{"id": 1}')
    await keys.release(user, "k")  # too late: the answer stays
    again = await keys.claim(user, "k", "other", now=NOW, older_than=old)
    assert again is not None and (again.digest, again.status, again.answer) == ("digest", 201, '{"id": 1}')
    assert await keys.claim(user, "k", "other", now=NOW + 25 * HOUR, older_than=NOW + HOUR) is None
    await keys.release(user, "k")
    assert await keys.claim(user, "k", "third", now=NOW, older_than=old) is None
    await keys.sweep(NOW + HOUR)
    assert await keys.claim(user, "k", "fourth", now=NOW, older_than=old) is None


# --- people


async def test_people_log_ins_and_tokens(store: Store) -> None:
    users = store.users
    anna = await users.add(" Anna@Example.com ", "hash", now=NOW, admin=True)
    assert anna.email == "anna@example.com"
    with pytest.raises(Conflict):
        await users.add("ANNA@example.com", "other", now=NOW)
    found = await users.by_email("anna@EXAMPLE.com")
    assert found is not None and (found.id, found.admin) == (anna.id, True)
    for name in ("one", "two"):
        await users.add_login(
            Login(id=name, user_id=anna.id, csrf="c", agent="", created_at=NOW, seen_at=NOW, expires_at=NOW + HOUR)
        )
    await users.saw_login("one", NOW + MINUTE)
    login = await users.login("one")
    assert login is not None and (login[0].seen_at, login[1].email) == (NOW + MINUTE, anna.email)
    await users.end_logins(anna.id, but="one")
    assert await users.login("two") is None
    await users.sweep_logins(NOW + HOUR)
    assert await users.login("one") is None
    token = await users.add_token(anna.id, "digest", scopes=["read", "write"], now=NOW, name="ci")
    await users.used_token(token.id, NOW + MINUTE)
    by_digest = await users.token("digest")
    assert by_digest is not None and by_digest[0].scopes == ["read", "write"] and by_digest[0].used_at == NOW + MINUTE
    assert [each.name for each in await users.tokens(anna.id)] == ["ci"]
    await users.drop_token(token.id, user=anna.id)
    assert await users.token("digest") is None
    with pytest.raises(NotFound):
        await users.drop_token(token.id, user=anna.id)
    await store.settings.put("demo", {"n": 1})
    await store.settings.put("demo", {"n": 2})
    assert await store.settings.get("demo") == {"n": 2} and await store.settings.get("none") is None


# --- the numbering plan

HEADER = "АВС/ DEF;От;До;Емкость;Оператор;Регион;Территория ГАР;ИНН\n"
MOBILE = HEADER + (
    '900;0000000;0061999;62000;ООО "Т2 Мобайл";Краснодарский край;;7743895280\n'
    '900;0062000;0099999;38000;ПАО "ВымпелКом";Омская область;;7713076301\n'
    '900;1000000;1999999;1000000;ПАО "МТС";Российская Федерация;;7740000076\n'
)
LANDLINE = "ABC/DEF;От;До;Емкость;Оператор;Регион\n411;2000000;2099999;100000;Туймаада;р-н Оймяконский|Якутия\n"


async def test_the_plan_gives_operator_region_and_zone(world: World, tmp_path: Path) -> None:
    store = world.store
    mobile, landline = tmp_path / "DEF-9xx.csv", tmp_path / "ABC-4xx.csv"
    mobile.write_text("\ufeff" + MOBILE, "utf-8")
    landline.write_text(LANDLINE, "cp1251")
    told: list[tuple[int, int]] = []
    assert await store.numbering.import_files([mobile, landline], lambda done, of: told.append((done, of))) == 4
    assert told[-1][0] == told[-1][1] > 0
    found = store.numbering.lookup("+79000062000")
    assert found is not None
    assert (found.operator, found.region, found.timezone) == ('ПАО "ВымпелКом"', "Омская область", "Asia/Omsk")
    assert store.numbering.operator("+79000061999") == 'ООО "Т2 Мобайл"'
    country = store.numbering.lookup("+79001500000")
    assert country is not None and country.timezone == ""
    far = store.numbering.lookup("+74112000000")
    assert far is not None and far.timezone == "Asia/Ust-Nera"
    for stranger in ("+79000100000", "+74112100000", "+380501234567", "", "+", "nonsense", "+" + "9" * 40, "+٧٩٠٠"):
        assert store.numbering.lookup(stranger) is None
    segment = await world.people("+79000062000", "+79001500000")
    contacts = [row async for batch in store.segments.export(segment, user=None) for row in batch]
    assert [(row.timezone, row.zone_source) for row in contacts] == [("Asia/Omsk", "registry"), ("", "")]
    contact = await world.lease(await world.queue([("+79000062000", "Asia/Omsk", NOW)]), "Asia/Omsk")
    await store.queue.settle(contact, unreached(), next_at=None, closed="attempts")
    series = (await store.analytics.project(world.project, user=world.anna, group_by="operator")).series
    assert [key for key, _ in series] == ['ПАО "ВымпелКом"']
    # Once more: replaced, not added to; and read again by the next start.
    assert await store.numbering.import_files([landline]) == 1
    assert await store.numbering.load() == 1 == await store.numbering.count()


@pytest.mark.parametrize(
    ("text", "where", "why"),
    [
        ("", ":1", "header"),
        ("a;b;c\n", ":1", "header"),
        (HEADER + "900;0000000;0000001\n", ":2", "columns missing"),
        (HEADER + "9x0;0000000;0000001;2;o;r;;\n", ":2", "code of three digits"),
        (HEADER + "900;0000000;00000012345;2;o;r;;\n", ":2", "seven digits"),
        (HEADER + "900;-1;0000001;2;o;r;;\n", ":2", "seven digits"),
        (HEADER + "900;0000005;0000001;2;o;r;;\n", ":2", "ends before it begins"),
        (HEADER + "900;0;9;9;o;r;;\n900;5;12;9;o;r;;\n", ":3", "overlaps"),
        (HEADER, "", "no ranges"),
    ],
)
async def test_a_bad_file_is_refused_whole_with_its_lines(
    store: Store, tmp_path: Path, text: str, where: str, why: str
) -> None:
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    good.write_text(MOBILE, "utf-8")
    bad.write_text(text, "utf-8")
    await store.numbering.import_files([good])
    with pytest.raises(InputError) as refused:
        await store.numbering.import_files([bad])
    problems = [f"{problem.path} {problem.message}" for problem in refused.value.problems] or [str(refused.value)]
    assert f"{bad}{where}" in problems[0] or not where
    assert why in problems[0]
    assert await store.numbering.load() == 3


async def test_a_file_that_is_not_there_is_told(store: Store, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.csv"):
        await store.numbering.import_files([tmp_path / "none.csv"])


async def test_a_lookup_takes_microseconds_in_a_plan_of_full_size(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "all.csv"
    with file.open("w", encoding="utf-8") as out:
        out.write(HEADER)
        for code in range(900, 1000):
            for n in range(300):
                out.write(f"{code};{n * 10000:07d};{n * 10000 + 9999:07d};10000;o{n % 50};Омская область;;1\n")
    assert await store.numbering.import_files([file]) == 30_000
    numbers = [f"+7{900 + n % 100}{n * 37 % 3_000_000:07d}" for n in range(20_000)]
    began = time.process_time()
    assert all(store.numbering.lookup(number) for number in numbers)
    assert (time.process_time() - began) / len(numbers) < 20e-6


async def test_contacts_are_added_by_the_thousand(world: World) -> None:
    people = [Person(f"+7900{n:07d}", fields={"n": n}) for n in range(5000)]
    added = await world.store.segments.add_contacts(world.segment, people, now=NOW, user=world.anna)
    assert (added.added, added.invalid, added.duplicates) == (5000, 0, 0)
