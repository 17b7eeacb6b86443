"""Prompts in; audio out. Can be hushed at any moment.

say ─▶ queue ─▶ Prompts.sound ─▶ media.write … media.drain ─▶ finished (when nothing is left to say)
hush ─▶ the queue is emptied, the utterance cancelled, the far buffer flushed: nothing of it ever comes back
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

from engine.errors import SpeechError
from engine.model import Sound
from engine.ports import MediaStream
from scenarios.talk import Play, Prompt


class Sounds(Protocol):
    async def sound(self, prompt: Prompt) -> Sound:
        """The prompt as sound; at once if it was made ready. Raises SpeechError."""
        ...


class Told(Protocol):
    """Who wants to know. Called synchronously."""

    def began(self, prompt: Prompt, sound: Sound) -> None: ...

    def finished(self) -> None: ...

    def dumb(self, reason: str) -> None: ...


class Mouth:
    """`speaking`: something is being said or waits to be. `interruptible`: and all of it lets itself be interrupted."""

    def __init__(self, media: MediaStream, sounds: Sounds, told: Told) -> None:
        self._media = media
        self._sounds = sounds
        self._told = told
        self._queue: deque[Play] = deque()
        self._woken = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._utterance: asyncio.Task[None] | None = None
        self.speaking = False
        self.interruptible = True

    def say(self, play: Play) -> None:
        self._queue.append(play)
        self.interruptible = play.barge_in and (self.interruptible or not self.speaking)
        self.speaking = True
        self._idle.clear()
        self._woken.set()

    def hush(self) -> None:
        """Stop now and forget everything; `finished` is not told."""
        if not self.speaking:
            return
        self._queue.clear()
        if self._utterance is not None:
            self._utterance.cancel()
            self._utterance = None
        self._media.flush()
        self._rest()

    def _rest(self) -> None:
        self.speaking, self.interruptible = False, True
        self._idle.set()

    async def idle(self) -> None:
        """Wait until everything has been said, or hushed."""
        await self._idle.wait()

    async def run(self) -> None:
        """Speak for ever; cancelled when the call is over."""
        try:
            while True:
                await self._woken.wait()
                self._woken.clear()
                await self._empty()
        finally:
            if self._utterance is not None:
                self._utterance.cancel()

    async def _empty(self) -> None:
        while self._queue:
            utterance = self._utterance = asyncio.create_task(self._utter(self._queue.popleft().prompt), name="utter")
            await asyncio.wait([utterance])
            if self._utterance is not utterance:
                continue  # hushed; what is in the queue now was said after that
            self._utterance = None
            if (error := utterance.exception()) is not None:
                self._queue.clear()
                self._rest()
                if not isinstance(error, SpeechError):
                    raise error
                self._told.dumb(str(error))
                return
            if not self._queue:
                self._rest()
                self._told.finished()

    async def _utter(self, prompt: Prompt) -> None:
        sound = await self._sounds.sound(prompt)
        self._told.began(prompt, sound)
        await self._media.write(sound.pcm)
        await self._media.drain()
