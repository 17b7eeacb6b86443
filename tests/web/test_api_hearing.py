"""Why a call went as it did, calls heard again, and the state of the installation."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile  # type: ignore[import-untyped]

from engine.clock import SystemClock
from engine.config import Settings
from engine.model import FRAME_MS, CallEnd, Status, StepLog, TalkLog
from engine.replay import Hearers
from engine.replays import Listeners, Replays
from engine.store import Store
from engine.tasks import beside
from tests.engine.test_replay import side
from tests.fakes import FakeRecognizer, FakeVad
from tests.web.conftest import GRAPH, START, Client, Json, Shop, World, serving
from tests.web.panel import MACHINE, browser
from web.api.status import lag
from web.metrics import Labels

TROUBLE = "vosk took over from far: the recogniser did not answer within 3 s"
Figures = dict[tuple[str, Labels], float]


def of(name: str, **figures: float) -> Figures:
    return {(f"recogniser_{key}", (("recogniser", name),)): value for key, value in figures.items()}


@pytest.fixture
def figures() -> Figures:
    return of(
        "vosk", workers=2, workers_ready=2, capacity=40, live=3, queued=0, restarts=0, overloaded=0, memory_bytes=5e7
    )


@pytest.fixture
def counts() -> dict[tuple[str, Labels], int]:
    return {("loop_lag_seconds", (("le", "0.001"),)): 100}


@pytest.fixture
def ears() -> dict[str, FakeRecognizer]:
    return {"fake": FakeRecognizer(takes_s=0), "other": FakeRecognizer(takes_s=0)}


@pytest.fixture
def room() -> list[bool]:
    """What is told, one after another, when it is asked whether live calls need the recogniser; then it is free."""
    return []


@pytest.fixture
async def replays(
    settings: Settings, store: Store, ears: dict[str, FakeRecognizer], room: list[bool]
) -> AsyncIterator[Replays]:
    made = Replays(
        store,
        settings.data_dir,
        Hearers(FakeVad, lambda _: ears["fake"], frame_s=0),
        Listeners("fake", tuple(ears), lambda name: ears[name], lambda: bool(room) and room.pop()),
        SystemClock(),
        "ru",
    )
    async with beside(made.run()):
        yield made


@pytest.fixture
async def world(
    settings: Settings, store: Store, replays: Replays, figures: Figures, counts: Mapping[tuple[str, Labels], int]
) -> AsyncIterator[World]:
    async with serving(settings, store, replays=replays, gauges=lambda: figures, counts=lambda: counts) as world:
        yield world


def recorded(folder: Path) -> str:
    left = np.frombuffer(side(4, (1.5, "да")), "<i2")
    (folder / "recordings").mkdir(exist_ok=True)
    soundfile.write(folder / "recordings" / "one.wav", np.stack([left, np.zeros_like(left)], axis=1), 8000)
    return "recordings/one.wav"


@pytest.fixture
async def call(anna: Client, shop: Shop, world: World) -> int:
    made = await anna.made(f"/projects/{shop.project}/calls", {"phone": "+79001234567", "scenario_id": shop.scenario})
    steps = (
        StepLog(0, "hello", "play", 1000, "next"),
        StepLog(900, "amd", "amd", 0, "person", detail="short_greeting_640_ms +2.0 @900 ms"),
        StepLog(1000, "ask", "recognize", 1600, "agreed", "voice", "да", 0.93, 240, detail=TROUBLE, partial=True),
        StepLog(2600, "amd", "amd", 0, "machine", detail=MACHINE),
        StepLog(2600, "bye", "hangup", 0, "hangup"),
    )
    talk = TalkLog("hangup", "robot", None, steps=steps)
    end = CallEnd(
        Status.ANSWERED, 16, START + timedelta(seconds=9), answered_at=START, talk=talk, scenario_version=1,
        scenario_id=shop.scenario, recording=recorded(world.settings.data_dir),
    )  # fmt: skip
    await world.store.calls.end(made["id"], end)
    return int(made["id"])


# --- why --------------------------------------------------------------------------------------------------------------


async def test_which_answer_decided_and_by_which_words(anna: Client, call: int) -> None:
    shown = (await anna.get(f"/calls/{call}")).json
    ask = next(step for step in shown["steps"] if step["node"] == "ask")
    assert ask["why"] == {"answer": 1, "phrase": "да", "said": "да", "how": "exact"} and ask["partial"] is True
    assert all(step["why"] is None for step in shown["steps"] if step["node"] != "ask")


async def test_who_answered_and_what_was_new_each_time(anna: Client, call: int) -> None:
    first, second = (await anna.get(f"/calls/{call}")).json["answered_by"]
    assert (first["at_ms"], first["kind"]) == (900, "person")
    assert first["evidence"] == [{"at_ms": 900, "what": "short_greeting_640_ms", "weight": 2.0}]
    assert second["kind"] == "machine"
    assert [each["what"] for each in second["evidence"]] == ["phrase: оставьте сообщение", "beep_1000_hz"]


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "ru",
            (
                "не дожидаясь конца",
                "теми же словами",
                "гудок 1000 Гц",
                "сказано: «оставьте сообщение»",
                "Вместо far отвечает vosk",
            ),
        ),
        ("en", ("before the end of speech", "the very words", "a beep of 1000 Hz", "an answering machine", TROUBLE)),
    ],
)
async def test_the_page_tells_it_in_words(world: World, call: int, language: str, words: tuple[str, ...]) -> None:
    shown = await (await browser(world, language=language)).get(f"/calls/{call}")
    assert [word for word in words if word not in shown.words] == []
    assert shown.text.count('class="tick') == 3 and shown.text.count("tick beep") == 1


# --- heard again ------------------------------------------------------------------------------------------------------


async def done(world: World, client: Client, job: Json) -> Json:
    """The job when it has ended: looked at each time that the runner has had its turn."""
    while job["state"] in ("queued", "running"):
        job = (await client.get(f"/jobs/{job['id']}")).json
    return job


async def test_a_call_is_heard_again_by_another_recogniser_when_live_calls_leave_room(
    anna: Client, world: World, ears: dict[str, FakeRecognizer], room: list[bool], call: int
) -> None:
    room.append(True)
    job = await done(world, anna, await anna.made(f"/calls/{call}/replay", {"recognizer": "other"}))
    assert job["state"] == "done" and room == []
    assert (len(ears["other"].asked), len(ears["fake"].asked)) == (1, 0)


async def test_a_call_is_heard_again_by_another_version(anna: Client, world: World, shop: Shop, call: int) -> None:
    assert (await anna.get("/recognizers")).json["items"] == [
        {"name": "fake", "default": True},
        {"name": "other", "default": False},
    ]
    job = await done(world, anna, await anna.made(f"/calls/{call}/replay", {"recognizer": "other"}))
    assert (job["state"], job["result"]["differs"], job["result"]["recognizer"]) == ("done", False, "other")
    ask = {**GRAPH["nodes"]["ask"], "filters": [{"voice": ["нет"], "goto": "agreed"}, {"other": True, "goto": "bye"}]}
    await anna.put(f"/scenarios/{shop.scenario}", {"graph": {**GRAPH, "nodes": {**GRAPH["nodes"], "ask": ask}}})
    job = await done(world, anna, await anna.made(f"/calls/{call}/replay", {"version": 2}))
    (card,) = job["result"]["cards"]
    assert (card["difference"], card["was"]["to"], card["now"]["to"]) == ("arrow", "agreed", "bye")
    assert card["now"]["ms"] % FRAME_MS == 0 and job["result"]["version"] == 2


async def test_from_the_page_to_the_table(world: World, anna: Client, call: int) -> None:
    web = await browser(world)
    answer = await web.post(f"/calls/{call}/replay", {"recognizer": "other", "version": ""})
    assert answer.status == 303
    to = answer.headers["Location"].split("#")[0]
    await done(world, anna, (await anna.get(f"/jobs/{to.rpartition('=')[2]}")).json)
    shown = await web.get(to)
    assert "тем же путём" in shown.words and "other, версия 1" in shown.words
    assert "тем же путём" in (await web.get(to + "&part=replay")).words
    assert "тем же путём" not in (await web.get(f"/calls/{call}?replay=x")).words


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"recognizer": "nobody"}, 422),
        ({"scenario_id": 999}, 404),
        ({"version": 9}, 404),
        ({"version": 0}, 422),
        ({"oops": 1}, 422),
    ],
)
async def test_what_cannot_be_heard_again_is_refused(anna: Client, call: int, body: Json, status: int) -> None:
    assert (await anna.post(f"/calls/{call}/replay", body)).status == status


async def test_other_peoples_calls_are_not_heard(
    anna: Client, boris: Client, world: World, shop: Shop, call: int
) -> None:
    assert (await boris.post(f"/calls/{call}/replay", {})).status == 404
    theirs = (await boris.made("/projects", {"name": "B"}))["id"]
    scenario = await boris.made(f"/projects/{theirs}/scenarios", {"name": "S", "graph": GRAPH})
    assert (await anna.post(f"/calls/{call}/replay", {"scenario_id": scenario["id"]})).status == 404
    silent = await anna.made(f"/projects/{shop.project}/calls", {"phone": "+79001234568", "scenario_id": shop.scenario})
    assert (await anna.post(f"/calls/{silent['id']}/replay", {})).status == 422


async def test_a_recording_that_is_gone_fails_the_job_in_words(anna: Client, world: World, call: int) -> None:
    (world.settings.data_dir / "recordings" / "one.wav").write_bytes(b"RIFF")
    job = await done(world, anna, await anna.made(f"/calls/{call}/replay", {}))
    assert job["state"] == "failed" and "the recording cannot be read" in job["errors"][0]["message"]


async def test_without_an_engine_nobody_hears(settings: Settings, store: Store) -> None:
    async with serving(settings, store) as world:
        anna = await world.person()
        assert (await anna.get("/recognizers")).json["items"] == []


# --- the state --------------------------------------------------------------------------------------------------------


async def test_the_state_of_what_works(anna: Client, world: World) -> None:
    state = (await anna.get("/status")).json
    (vosk,) = state["recognisers"]
    assert (vosk["name"], vosk["ready"], vosk["capacity"], vosk["live"]) == ("vosk", 2, 40, 3)
    assert state["trunks"] == [{"name": "main", "used": 0, "channels": 100, "registered": None}]
    assert state["lag"]["p99_ms"] == 1.0 and state["database"] == "sqlite"
    assert {each["code"] for each in state["problems"]} == {"no_voices"}  # nobody speaks in this test
    assert (await world.stranger().get("/status")).status == 401


async def test_what_is_wrong_comes_with_its_mend(
    anna: Client, world: World, figures: Figures, counts: dict[tuple[str, Labels], int]
) -> None:
    figures |= of("vosk", workers_ready=1, restarts=4, overloaded=2, takeovers=1)
    figures[("trunk_channels_used", (("trunk", "main"),))] = 100
    figures[("trunk_registered", (("trunk", "main"),))] = 0
    counts |= {("loop_lag_seconds", (("le", "0.08"),)): 20, ("troubles_total", (("kind", "recording_lost"),)): 3}
    world.robot.parts["recogniser"] = (False, "no recogniser process is alive: one is being started")
    answer = await anna.get("/status", headers={"Accept-Language": "ru"})
    told = {each["code"]: each for each in answer.json["problems"]}
    assert list(told) == [
        "recogniser", "workers_missing", "workers_died", "overloaded", "takeovers", "no_voices", "trunk_full",
        "unregistered", "slow_loop", "recordings_lost",
    ]  # fmt: skip
    assert told["recogniser"]["text"] == "Ни один процесс распознавателя не работает: запускается новый."
    assert told["workers_died"]["text"] == "Процессов упало и запущено снова: 4." and told["workers_died"]["mend"]
    shown = await (await browser(world)).get("/status")
    assert "На что посмотреть" in shown.words and "1 / 2" in shown.words and "espeak-ng" in shown.words


def test_the_lag_is_told_only_when_it_was_measured() -> None:
    counts: dict[tuple[str, Any], int] = {("loop_lag_seconds", (("le", "0.002"),)): 49}
    assert lag(counts) is None
    found = lag({**counts, ("loop_lag_seconds", (("le", "+Inf"),)): 1})
    assert found is not None and (found.p50_ms, found.p99_ms) == (2.0, 10_000.0)


# --- voices and materials ---------------------------------------------------------------------------------------------


async def test_words_are_said_as_the_page_says(world: World, shop: Shop) -> None:
    web = await browser(world)
    path = f"/projects/{shop.project}/voices"
    assert "Голосов нет" in (await web.get(path)).words
    given = {
        "items.0.word": "СМС",
        "items.0.say": "эс-эм-эс",
        "items.0.forms": "on",
        "items.3.word": "",
        "items.3.say": "",
    }
    shown = await web.done(path, given)
    assert shown.field("items.0.say") == "эс-эм-эс"
    assert await world.store.projects.pronunciations(shop.project, user=None) == [
        {"word": "СМС", "say": "эс-эм-эс", "forms": True, "language": ""}
    ]
    wrong = await web.post(path, {**given, "items.0.language": "русский"})
    assert wrong.status == 422 and wrong.field("items.0.language") == "русский" and "Не сохранено" in wrong.words


async def test_materials_on_their_page(world: World, shop: Shop) -> None:
    web = await browser(world)
    path = f"/projects/{shop.project}/materials"
    assert "Материалов нет" in (await web.get(path)).words
    shown = await web.done(path, {"name": "Прощание", "text": "До свидания!", "voice": ""})
    assert "До свидания!" in shown.words
    assert (await web.post(path, {"name": "x", "text": " "})).status == 422
    assert "в архиве" in (await web.done("/materials/1/archive")).words
    eve = await browser(world, "eve@example.com")
    assert (await eve.get(path)).status == 404 and (await eve.post("/materials/1/restore")).status == 404
