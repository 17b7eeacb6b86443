"""What is said in a call: its scenario found, its prompts made ready while it rings, the conversation carried out.

Job ─▶ scenario (latest version, kept compiled) ─▶ prompts render ┄┄ it rings ┄┄▶ talk(line) ─▶ TalkLog
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Protocol

from engine.attempt import Job
from engine.call import Call, Senses, Talk
from engine.chronicle import Chronicle
from engine.model import TalkLog
from engine.pickup import Pickup, lines, overhear
from engine.ports import Clock, Early, Journal, Line, TransferOrder
from engine.prompts import PLAIN, Manner, Prompts, Spoken
from engine.rules import phone
from engine.rules.campaign import Machines
from scenarios.document import Scenario
from scenarios.interpreter import Interpreter
from scenarios.prompts import ahead
from scenarios.talk import Prompt, State, Transfer, Value

log = logging.getLogger(__name__)

KEPT = 200  # compiled scenarios

GOODBYE = {"ru": "Извините, связь прерывается. Мы перезвоним.", "en": "Sorry, we have to end this call."}


class Scenarios(Protocol):
    async def latest(self, scenario_id: int, timeout_s: float, version: int = 0) -> tuple[int, Scenario]:
        """The newest version (`version`, where that is known) and its document, `timeout_s` being the patience of cards
        where the document names none. The same object for the same version and patience. Raises NotFound or
        InputError."""
        ...


PATIENCE_S = 7.0  # of cards that name none; what they say does not depend on it
OfProject = Callable[[int], Awaitable[Manner]]


async def plainly(project: int) -> Manner:
    return PLAIN


class Talks:
    """`engine.attempt.Prepare`."""

    def __init__(
        self,
        scenarios: Scenarios,
        senses: Senses,
        prompts: Prompts,
        journal: Journal,
        clock: Clock,
        *,
        language: str,
        manner: OfProject = plainly,
    ) -> None:
        self._scenarios = scenarios
        self._senses = senses
        self._prompts = prompts
        self._journal = journal
        self._clock = clock
        self._language = language
        self._manner = manner
        self._compiled: OrderedDict[tuple[int, int, float], Interpreter] = OrderedDict()

    async def interpreter(self, scenario_id: int, timeout_s: float, version: int = 0) -> tuple[int, Interpreter]:
        """The version and the scenario, ready to be walked. Raises NotFound, InputError or ScenarioError."""
        version, scenario = await self._scenarios.latest(scenario_id, timeout_s, version)
        key = (scenario_id, version, timeout_s)
        if key not in self._compiled:
            self._compiled[key] = Interpreter(scenario)
            while len(self._compiled) > KEPT:
                self._compiled.popitem(last=False)
        self._compiled.move_to_end(key)
        return version, self._compiled[key]

    @asynccontextmanager
    async def prepare(self, job: Job) -> AsyncGenerator[Conversation]:
        version, interpreter = await self.interpreter(job.scenario_id, job.action_timeout_s, job.scenario_version)
        given = _vars(job)
        wanted = ahead(interpreter.scenario, given, now=self._clock.now())
        wanted += lines(_machines(job), interpreter.scenario.language or self._language).prompts
        spoken = self._prompts.of(await self._manner(job.project_id))
        rendering = asyncio.create_task(spoken.prepare(wanted), name="prompts")
        try:
            yield Conversation(self, job, version, interpreter, given, spoken)
        finally:
            rendering.cancel()

    async def render(self, project: int, scenarios: Sequence[int], tell: Callable[[int, int], None]) -> None:
        """`engine.ahead.Render`: what these scenarios say to everybody. What cannot be made is logged, and left to
        the calls. Raises NotFound or InputError for a scenario that cannot be run."""
        now = self._clock.now()
        wanted: dict[Prompt, None] = {}
        for id in dict.fromkeys(scenarios):
            _, interpreter = await self.interpreter(id, PATIENCE_S)
            wanted |= dict.fromkeys(ahead(interpreter.scenario, {}, now=now))
        tell(0, len(wanted))
        spoken = self._prompts.of(await self._manner(project))
        faults = await spoken.prepare(list(wanted), lambda done: tell(done, len(wanted)))
        if faults:
            log.warning("prompts could not be made", extra={"project": project, "count": len(faults), "why": faults[0]})

    def overhear(self, job: Job) -> Early | None:
        """Who listens before the answer: nobody, unless the campaign looks for machines."""
        if _machines(job).mode == "off":
            return None
        return partial(overhear, senses=self._senses, language=self._language)

    def goodbye(self, language: str) -> Prompt:
        return Prompt(text=GOODBYE.get(language[:2], GOODBYE["en"]), language=language)


class Conversation:
    """`engine.attempt.Script`: one talk with one person."""

    def __init__(
        self,
        talks: Talks,
        job: Job,
        version: int,
        interpreter: Interpreter,
        given: Mapping[str, Value],
        spoken: Spoken,
    ) -> None:
        self.version = version
        self._talks = talks
        self._job = job
        self._interpreter = interpreter
        self._given = given
        self._spoken = spoken
        self._call: Call | None = None
        self._pickup: Pickup | None = None
        self._chronicle: Chronicle | None = None
        self._language = interpreter.scenario.language or talks._language

    async def talk(self, line: Line) -> TalkLog:
        talks, job = self._talks, self._job
        self._chronicle = Chronicle(job.call_id, talks._journal, talks._clock)
        talk = Talk(
            self._interpreter,
            self._given,
            contact_key=str(job.contact_id or job.phone),
            language=self._language,
            max_call_s=job.max_call_s,
            transfer=self._order,
        )
        senses = replace(talks._senses, sounds=self._spoken)
        chronicle, machines = self._chronicle, _machines(job)

        def begin(on: Line) -> Call:
            self._call = Call(on, talk, senses, chronicle)
            return self._call

        if machines.mode == "off":
            return await begin(line).run()
        self._pickup = Pickup(line, machines, self._language, senses, chronicle)
        return await self._pickup.run(begin)

    def dismiss(self) -> None:
        if self._pickup is not None:
            self._pickup.dismiss(self._talks.goodbye(self._language))
        elif self._call is not None:
            self._call.dismiss(self._talks.goodbye(self._language))

    def log(self) -> TalkLog | None:
        if self._chronicle is None:
            return None
        self._chronicle.stopped("cancelled")
        return self._chronicle.close(self._call.state if self._call is not None else State(node=""))

    def _order(self, transfer: Transfer) -> TransferOrder | None:
        """Where to, by the trunk this call came from or went out by. None: it cannot be called."""
        to = transfer.to.strip()
        if not to.startswith("sip:"):
            found = phone.normalise(to)
            if isinstance(found, phone.Refused):
                return None
            to = found
        return TransferOrder(to, self._job.caller.trunk, transfer.ring_s, transfer.caller_id or self._job.caller.number)


def _machines(job: Job) -> Machines:
    """What the campaign does with machines; nobody looks for them where there is no campaign."""
    return job.campaign.amd if job.campaign is not None else Machines()


def _vars(job: Job) -> Mapping[str, Value]:
    """What the contact brings, and who is talked to."""
    given = {name: value for name, value in job.fields.items() if value is not None}
    return given | {"phone": job.phone, "number": job.caller.number, "direction": job.direction, "attempt": job.attempt}
