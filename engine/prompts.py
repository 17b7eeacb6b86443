"""What the robot says, as sound, before it is needed.

    Prompt ─▶ memory ─▶ text: the project's voice, else the synthesizer (both cached on disk)
                        audio: a file | material: the project's library                      ─▶ Sound

Fixed prompts are made ready when a campaign starts, personal ones while it rings; the mouth takes them from memory.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.audio import beep, read
from engine.errors import DozvonError, SpeechError
from engine.model import Sound
from engine.ports import Synthesizer
from scenarios.talk import Prompt

log = logging.getLogger(__name__)

MOST_BYTES = 256 * 1024 * 1024  # of sound kept in memory: more than four hours
AT_ONCE = 4  # prompts that are made for one talk
LATE_S = 0.3  # a live call does not wait longer than this for its words if somebody else can say them


@dataclass(frozen=True, slots=True)
class Manner:
    """How a project wants its texts to be spoken: `voice` says them, `stamp` is another one when that has changed."""

    stamp: str = ""
    voice: Synthesizer | None = None


PLAIN = Manner()
Key = tuple[str, Prompt]


class Prompts:
    """`material` gives a material's text or file. `standby`, if there is one, is always quick."""

    def __init__(
        self,
        synthesizer: Synthesizer,
        *,
        language: str,
        folder: Path,
        material: Callable[[int], Awaitable[Prompt]],
        standby: Synthesizer | None = None,
    ) -> None:
        self._synthesizer = synthesizer
        self._language = language
        self._folder = folder.resolve()
        self._material = material
        self._standby = standby
        self._memory: OrderedDict[Key, Sound] = OrderedDict()
        self._held = 0
        self._making: dict[Key, asyncio.Task[Sound]] = {}

    def of(self, manner: Manner) -> Spoken:
        """The prompts of one talk."""
        return Spoken(self, manner)

    async def sound(self, prompt: Prompt, manner: Manner = PLAIN) -> Sound:
        """At once if it is in memory; else when it has been made. Raises SpeechError."""
        if (sound := self._known(prompt, manner)) is not None:
            return sound
        return await asyncio.shield(self._task(prompt, manner))

    async def now(self, prompt: Prompt, manner: Manner = PLAIN) -> Sound:
        """As `sound`, for a call that waits: after LATE_S the stand-by voice says it. Raises SpeechError."""
        if (sound := self._known(prompt, manner)) is not None:
            return sound
        task = self._task(prompt, manner)
        if self._standby is not None and prompt.text:
            await asyncio.wait([task], timeout=LATE_S)
            if not task.done():
                log.warning("a prompt is late, the stand-by voice says it")
                return await self._standby.render(prompt.text, voice=prompt.voice, language=self._spoken(prompt))
        return await asyncio.shield(task)

    async def prepare(
        self, prompts: Sequence[Prompt], manner: Manner = PLAIN, tell: Callable[[int], None] = lambda done: None
    ) -> list[str]:
        """Have these in memory, some at once, the first ones first; `tell` how many there are. What could not be made,
        in words. Never raises SpeechError."""
        faults: list[str] = []
        waiting = iter(prompts)
        done = 0

        async def work() -> None:
            nonlocal done
            for prompt in waiting:
                try:
                    await self.sound(prompt, manner)
                except SpeechError as error:
                    faults.append(str(error))
                done += 1
                tell(done)

        async with asyncio.TaskGroup() as group:
            for _ in range(min(AT_ONCE, len(prompts))):
                group.create_task(work(), name="prompts")
        return faults

    def forget(self) -> None:
        """Materials may have changed."""
        self._memory.clear()
        self._held = 0

    def _known(self, prompt: Prompt, manner: Manner) -> Sound | None:
        key = (manner.stamp, prompt)
        if (sound := self._memory.get(key)) is not None:
            self._memory.move_to_end(key)
        return sound

    def _task(self, prompt: Prompt, manner: Manner) -> asyncio.Task[Sound]:
        """Another call may wait for the same words."""
        key = (manner.stamp, prompt)
        task = self._making.get(key)
        if task is None:
            task = self._making[key] = asyncio.create_task(self._make(prompt, manner), name="prompt")
            task.add_done_callback(lambda done: self._made(key, done))
        return task

    def _made(self, key: Key, task: asyncio.Task[Sound]) -> None:
        self._making.pop(key, None)
        if task.cancelled() or task.exception() is not None or task.result().makeshift:
            return
        sound = task.result()
        self._memory[key] = sound
        self._held += len(sound.pcm)
        while self._held > MOST_BYTES and len(self._memory) > 1:
            _, dropped = self._memory.popitem(last=False)
            self._held -= len(dropped.pcm)

    async def _make(self, prompt: Prompt, manner: Manner) -> Sound:
        if prompt.text:
            voice = manner.voice or self._synthesizer
            return await voice.render(prompt.text, voice=prompt.voice, language=self._spoken(prompt))
        if prompt.audio == "beep":
            return beep()
        if prompt.audio:
            return await self._read(prompt.audio)
        try:
            found = await self._material(prompt.material)
        except DozvonError as error:
            raise SpeechError(f"material {prompt.material} cannot be played: {error}") from error
        return await self.sound(found, manner)

    def _spoken(self, prompt: Prompt) -> str:
        return prompt.language or self._language

    async def _read(self, name: str) -> Sound:
        path = (self._folder / name).resolve()
        if not path.is_relative_to(self._folder):
            raise SpeechError(f"{name!r} is outside of the folder for audio")
        try:
            return await asyncio.to_thread(read, path)
        except (OSError, DozvonError) as error:
            raise SpeechError(f"{name} cannot be played: {error}") from error


class Spoken:
    """`engine.mouth.Sounds`: the prompts of one talk, in its project's manner."""

    def __init__(self, prompts: Prompts, manner: Manner) -> None:
        self._prompts = prompts
        self._manner = manner

    async def sound(self, prompt: Prompt) -> Sound:
        return await self._prompts.now(prompt, self._manner)

    async def prepare(self, prompts: Sequence[Prompt], tell: Callable[[int], None] = lambda done: None) -> list[str]:
        return await self._prompts.prepare(prompts, self._manner, tell)
