"""Text preparation before a voice, whichever it is: see `tts._text`."""

from __future__ import annotations

import asyncio

from engine.model import Sound
from engine.ports import Synthesizer
from tts import _text

LONG = 200  # characters; longer ones are prepared in a thread, for the sake of live calls


class Prepared:
    """See `engine.ports.Synthesizer`."""

    def __init__(self, inner: Synthesizer) -> None:
        self._inner = inner

    async def render(self, text: str, *, voice: str = "", language: str = "ru") -> Sound:
        if len(text) > _text.MOST:
            spoken = text  # the engine refuses it, in its own words
        elif len(text) > LONG:
            spoken = await asyncio.to_thread(_text.prepare, text, language)
        else:
            spoken = _text.prepare(text, language)
        return await self._inner.render(spoken, voice=voice, language=language)
