"""The composition root: settings in, a running robot out. Nothing else knows who implements what.

Settings ─▶ store ─▶ Asterisk ─▶ speech ─▶ telephone ─▶ desk: talks, campaigns, router ─▶ web ─▶ ready
                                     (left in the opposite order: Asterisk is stopped last)
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import signal
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from asr import _catalogue as models
from asr import vad
from channels.voice import channel as telephone
from channels.voice import install, render, supervise
from channels.voice.registrations import Registrations
from engine.attempt import Desk, Job, Salvaged
from engine.call import Senses
from engine.campaigns import Campaigns
from engine.chores import Chores
from engine.clock import SystemClock
from engine.config import Settings, listening
from engine.ears import open_ears
from engine.errands import open_web
from engine.errors import ConfigError, DozvonError
from engine.journal import LiveJournal
from engine.lag import Pulse
from engine.library import StoredMaterials, StoredScenarios
from engine.ports import Vad
from engine.prompts import Prompts
from engine.recordings import Recordings
from engine.replay import Hearers
from engine.replays import Listeners, Replays
from engine.robot import Health, RunningRobot, Watch
from engine.router import Router
from engine.rules.billing import Tariff, Tariffs
from engine.store import Store, migrate, open_store
from engine.stubborn import Stubborn
from engine.talks import Talks
from engine.tasks import beside, kept_alive
from engine.trunks import Limit, Trunks
from engine.turns import turns
from engine.voices import Manners, open_voice
from scenarios import forms
from web.app import make_app, serve

log = logging.getLogger(__name__)

GRACE_S = 30.0
READY_S = 30.0
TIDY_S = 600.0  # between two looks for recordings that were left behind

Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class App:
    """A running robot."""

    settings: Settings
    store: Store
    robot: RunningRobot
    journal: LiveJournal
    campaigns: Campaigns
    url: str
    warnings: tuple[str, ...]  # what a person should know before real calls are made


async def run(settings: Settings, *, ready: Callable[[str], None]) -> None:
    """Run until SIGTERM or SIGINT, then drain: no new calls, live ones have half a minute."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with running(settings) as app:
        for warning in app.warnings:
            log.warning(warning)
        ready(app.url)
        await stop.wait()
        log.info("stopping: no new calls, live ones are waited for")
        await app.campaigns.drain(GRACE_S)


@asynccontextmanager
async def running(settings: Settings, progress: Progress = lambda what, share: None) -> AsyncGenerator[App]:
    """Everything started and connected while the block runs. Raises ConfigError or InstallError with the mend."""
    await asyncio.to_thread(_prepare_folders, settings)
    health, journal, clock, stubborn = Health(), LiveJournal(), SystemClock(), Stubborn()
    async with AsyncExitStack() as stack:
        await migrate(settings.database_url)
        store = await stack.enter_async_context(
            open_store(settings.database_url, max_retries=settings.max_retries, max_call_s=settings.max_call_s)
        )
        await store.numbers.sync([number.model_dump() for number in settings.numbers], now=clock.now())
        await store.numbering.load()
        await asyncio.to_thread(forms.warm)
        if settings.asterisk.mode == "embedded":
            await _asterisk(settings, stack, health, progress)
        ears = await stack.enter_async_context(open_ears(settings.speech, settings.data_dir))
        voice = await stack.enter_async_context(open_voice(settings.speech, settings.data_dir))
        errands = await stack.enter_async_context(open_web(settings.data_dir, settings.webhooks.allow_hosts))
        prompts = Prompts(
            voice, language=settings.speech.language, folder=settings.data_dir / "materials",
            material=StoredMaterials(store).prompt, standby=voice.standby,
        )  # fmt: skip
        voiced = await _vad(settings, stack)
        senses = Senses(voiced, ears.of, prompts, errands, clock, turns(settings.speech))
        talks = Talks(
            StoredScenarios(store), senses, prompts, journal, clock, language=settings.speech.language,
            manner=Manners(store, voice, settings.data_dir / "materials").of,
        )  # fmt: skip
        recordings = await stack.enter_async_context(Recordings(settings.data_dir).running())
        line = await stack.enter_async_context(
            telephone.open(settings, lambda up, words: health.tell("telephony", up, words))
        )
        registrations = Registrations(line.ami, (name for name, trunk in settings.trunks.items() if trunk.registers))
        trunks = Trunks({name: Limit(t.channels, t.calls_per_second) for name, t in settings.trunks.items()})

        async def keep(job: Job, files: tuple[str, str], seconds: float) -> str:
            return await recordings.keep(job.uid, files, seconds)

        async def salvage(uid: str) -> Salvaged:
            path = await recordings.salvage(uid)
            return Salvaged(path, recordings.seconds(path) if path else 0.0)

        async def left_behind() -> None:
            while True:
                await recordings.tidy(store.calls.recorded, desk.knows)
                await asyncio.sleep(TIDY_S)

        tariffs = _tariffs(settings)
        desk = Desk(line, talks.prepare, store.calls, trunks, journal, clock, stubborn, tariffs, keep, salvage)
        desk.overhear = talks.overhear
        pulse = Pulse(journal.counters)
        campaigns = Campaigns(
            desk,
            store.queue,
            store.running,
            store.passwords,
            ring_s=settings.call_password.ring_s,
            full=lambda: "overloaded" if pulse.overloaded() else "recogniser_full" if ears.full() else "",
            render=talks.render,
        )
        chores = Chores(store, clock, campaigns.nudge)
        router = Router(desk, store.lines, chores.caller)
        robot = RunningRobot(campaigns, chores, journal, health)
        watch = Watch(health, settings.data_dir, store.ping, {"recogniser": ears.how, "recordings": recordings.health})
        await stack.enter_async_context(
            beside(
                campaigns.run(),
                kept_alive("inbound", router.run),
                kept_alive("watch", watch.run),
                kept_alive("lag", pulse.watch),
                kept_alive("filling", chores.fill),
                kept_alive("tidying", chores.tidy),
                kept_alive("recordings", left_behind),
                kept_alive("registrations", registrations.watch),
            )
        )
        replays = Replays(
            store, settings.data_dir, Hearers(voiced, ears.of, senses.turns),
            Listeners(ears.choice.name, tuple(ears.by_name), ears.of, ears.full), clock, settings.speech.language,
        )  # fmt: skip
        await stack.enter_async_context(beside(kept_alive("replays", replays.run)))
        web = make_app(
            settings, store, robot, voices=voice, counts=lambda: journal.counters,
            gauges=lambda: {**ears.gauges(), **trunks.gauges(), **registrations.gauges()}, replays=replays,
        )  # fmt: skip
        with listening("http.port", settings.http.host, settings.http.port):
            port = await stack.enter_async_context(serve(web, settings.http.host, settings.http.port))
        stack.callback(journal.close)
        stack.callback(health.close)
        await _until_ready(settings, campaigns, health, lambda: line.ami.refused)
        url = settings.http.public_url if settings.http.port else f"http://{settings.http.host}:{port}"
        yield App(settings, store, robot, journal, campaigns, url, _warnings(settings))


# --- the parts --------------------------------------------------------------------------------------------------------


def _prepare_folders(settings: Settings) -> None:
    try:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)  # voices, numbers and password hashes
        for folder in ("recordings", "messages", "materials", "prompts", "models"):
            (settings.data_dir / folder).mkdir(exist_ok=True)
        secret_key(settings.secret_key_file)
    except OSError as error:
        raise ConfigError(f"{settings.data_dir} cannot be used ({error.strerror}): name another data_dir") from None


def secret_key(file: Path) -> str:
    """The installation's key; made on first use, readable by its owner only."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(48), "ascii")
    return file.read_text("ascii").strip()


async def _asterisk(settings: Settings, stack: AsyncExitStack, health: Health, progress: Progress) -> None:
    found = await asyncio.to_thread(install.install, progress)
    transport = settings.asterisk.media.transport
    if transport not in found.transports:
        raise ConfigError(
            f"Asterisk {'.'.join(map(str, found.version))} has no {transport}: "
            f"set asterisk.media.transport to {' or '.join(sorted(found.transports))}"
        )
    rendered = await asyncio.to_thread(render.render, settings, found)

    def state(works: bool, words: str) -> None:
        health.tell("asterisk", works, words)

    await stack.enter_async_context(supervise.running(found, rendered, state))


async def _vad(settings: Settings, stack: AsyncExitStack) -> Callable[[], Vad]:
    try:
        chosen = vad.Settings(**settings.speech.vad)
    except ValueError as error:
        raise ConfigError(f"speech.vad: {' '.join(str(error).split())}") from None
    return await stack.enter_async_context(vad.open(chosen, data_dir=settings.data_dir))


def _tariffs(settings: Settings) -> Tariffs:
    return Tariffs([Tariff(t.prefix, t.per_minute, t.first_s, t.step_s) for t in settings.billing.tariffs])


async def _until_ready(settings: Settings, campaigns: Campaigns, health: Health, refused: Callable[[], bool]) -> None:
    """Calls can be made. Raises DozvonError that says why they cannot; at once if waiting does not help."""
    try:
        async with asyncio.timeout(READY_S):
            while not (campaigns.recovered and health.works("telephony") or refused()):  # noqa: ASYNC110 - of three parts
                await asyncio.sleep(0.05)
            if not refused():
                return
    except TimeoutError:
        pass
    works, words = health.parts().get("telephony", (False, "it does not answer"))
    ami = settings.asterisk.ami
    why = "the database does not answer" if works else f"Asterisk's manager at {ami.host}:{ami.port}: {words}"
    raise DozvonError(f"no calls can be made: {why}")


def _warnings(settings: Settings) -> tuple[str, ...]:
    speech = settings.speech
    choice = models.choose(speech.recognizer, speech.recognizers, language=speech.language, data_dir=settings.data_dir)
    real = [name for name, trunk in settings.trunks.items() if not trunk.host.startswith("127.")]
    if choice.demonstration and real:
        return (f"trunk {real[0]} leads to real people, but speech is recognised by {choice.why}. {choice.better}",)
    return ()
