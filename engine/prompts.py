"""What the robot says, as sound, before it is needed.

    Prompt ─▶ memory ─▶ text: Synthesizer (cached on disk) | audio: a file | material: the project's library ─▶ Sound

Fixed prompts are made ready when a campaign starts, personal ones while it rings; the mouth takes them from
memory.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

from engine.audio import beep, read
from engine.errors import DozvonError, SpeechError
from engine.model import Sound
from engine.ports import Synthesizer
from scenarios.talk import Prompt

log = logging.getLogger(__name__)

MOST_BYTES = 256 * 1024 * 1024  # of sound kept in memory: more than four hours


class Prompts:
    """`engine.mouth.Sounds`. `materials` gives a material's text or file: (text, path)."""

    def __init__(
        self,
        synthesizer: Synthesizer,
        *,
        language: str,
        folder: Path,
        material: Callable[[int], Awaitable[Prompt]],
    ) -> None:
        self._synthesizer = synthesizer
        self._language = language
        self._folder = folder.resolve()
        self._material = material
        self._memory: OrderedDict[Prompt, Sound] = OrderedDict()
        self._held = 0
        self._making: dict[Prompt, asyncio.Task[Sound]] = {}

    async def sound(self, prompt: Prompt) -> Sound:
        """At once if it is in memory. Raises SpeechError."""
        if (sound := self._memory.get(prompt)) is not None:
            self._memory.move_to_end(prompt)
            return sound
        task = self._making.get(prompt)
        if task is None:
            task = self._making[prompt] = asyncio.create_task(self._make(prompt), name="prompt")
            task.add_done_callback(lambda done: self._made(prompt, done))
        return await asyncio.shield(task)  # another call may wait for the same words

    async def prepare(self, prompts: Iterable[Prompt]) -> list[str]:
        """Have these in memory; what could not be made, in words. Never raises SpeechError."""
        faults = []
        for prompt in prompts:
            try:
                await self.sound(prompt)
            except SpeechError as error:
                faults.append(str(error))
        return faults

    def forget(self) -> None:
        """Materials may have changed."""
        self._memory.clear()
        self._held = 0

    def _made(self, prompt: Prompt, task: asyncio.Task[Sound]) -> None:
        self._making.pop(prompt, None)
        if task.cancelled() or task.exception() is not None:
            return
        sound = task.result()
        self._memory[prompt] = sound
        self._held += len(sound.pcm)
        while self._held > MOST_BYTES and len(self._memory) > 1:
            _, dropped = self._memory.popitem(last=False)
            self._held -= len(dropped.pcm)

    async def _make(self, prompt: Prompt) -> Sound:
        if prompt.text:
            return await self._synthesizer.render(
                prompt.text, voice=prompt.voice, language=prompt.language or self._language
            )
        if prompt.audio == "beep":
            return beep()
        if prompt.audio:
            return await self._read(prompt.audio)
        try:
            found = await self._material(prompt.material)
        except DozvonError as error:
            raise SpeechError(f"material {prompt.material} cannot be played: {error}") from error
        return await self.sound(found)

    async def _read(self, name: str) -> Sound:
        path = (self._folder / name).resolve()
        if not path.is_relative_to(self._folder):
            raise SpeechError(f"{name!r} is outside of the folder for audio")
        try:
            return await asyncio.to_thread(read, path)
        except (OSError, DozvonError) as error:
            raise SpeechError(f"{name} cannot be played: {error}") from error
