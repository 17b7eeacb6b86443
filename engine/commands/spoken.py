"""A scenario's tests through real sound: what their subscribers say is synthesised, recognised, and put in its place.

test ─▶ rehearsed as written: which card hears what ─▶ voice ─▶ recogniser with its phrases ─▶ the words heard
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace

from engine.config import Settings
from engine.ears import open_ears
from engine.model import FRAME_BYTES, SILENCE, Sound
from engine.ports import Recognizer, Synthesizer
from engine.voices import open_voice
from scenarios.document import Scenario
from scenarios.forms import words
from scenarios.head import Action, Test
from scenarios.patterns import is_regex
from scenarios.rehearse import Line, moment, rehearse

SUBSCRIBER = "pavel"  # not the robot's voice
MARGIN = 15  # frames of silence before and after


async def spoken(scenario: Scenario, loaded: Settings, tell: Callable[[str], None]) -> Scenario:
    """The same scenario, its tests saying what was recognised; what the robot says in them has been synthesised too.

    Raises SpeechError or ConfigError where that cannot be done.
    """
    speech = loaded.speech
    async with AsyncExitStack() as stack:
        ears = await stack.enter_async_context(
            open_ears(speech, loaded.data_dir, language=scenario.language, workers=1)
        )
        voice = await stack.enter_async_context(open_voice(speech, loaded.data_dir))
        tell(f"recogniser: {ears.choice.why}; voice: {voice.choice.why}")
        studio = _Studio(scenario, ears.default, voice, tell)
        tests = [await studio.play(test) for test in scenario.tests]
    return replace(scenario, head=replace(scenario.head, tests=tuple(tests)))


class _Studio:
    def __init__(
        self, scenario: Scenario, recognizer: Recognizer, synthesizer: Synthesizer, tell: Callable[[str], None]
    ) -> None:
        self._scenario = scenario
        self._recognizer = recognizer
        self._synthesizer = synthesizer
        self._tell = tell

    async def play(self, test: Test) -> Test:
        now = moment(test.at) if test.at else None
        as_written = rehearse(self._scenario, test.fields, test.subscriber, now, contact_key=test.contact_key)
        for line in as_written.transcript:
            if line.who == "robot":
                await self._synthesizer.render(line.text, language=self._scenario.language)
        lines = [line for line in as_written.transcript if line.who == "subscriber"]
        return replace(test, subscriber=tuple([await self._action(action, lines) for action in test.subscriber]))

    async def _action(self, action: Action, lines: list[Line]) -> Action:
        if not action.say:
            return action
        at = next((index for index, line in enumerate(lines) if line.text == action.say), None)
        node = "" if at is None else lines[at].node
        del lines[: 0 if at is None else at + 1]
        sound = await self._synthesizer.render(action.say, voice=SUBSCRIBER, language=self._scenario.language)
        text = await self._recognised(sound, self._phrases(node))
        self._tell(f"  {node or '-'}: {action.say!r} was heard as {text!r}")
        return replace(action, say=text)

    def _phrases(self, node: str) -> tuple[str, ...]:
        filters = getattr(self._scenario.steps.get(node), "filters", ())
        return tuple(" ".join(words(phrase)) for one in filters for phrase in one.voice if not is_regex(phrase))

    async def _recognised(self, sound: Sound, phrases: tuple[str, ...]) -> str:
        hearing = self._recognizer.listen(language=self._scenario.language, phrases=phrases)
        pcm = sound.pcm + bytes(-len(sound.pcm) % FRAME_BYTES)
        frames = [pcm[at : at + FRAME_BYTES] for at in range(0, len(pcm), FRAME_BYTES)]
        for frame in [SILENCE] * MARGIN + frames + [SILENCE] * MARGIN:
            hearing.push(frame)
            await asyncio.sleep(0)
        return (await hearing.finish()).text
