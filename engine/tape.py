"""The subscriber's message: kept from the first frame after the beep until they fall silent."""

from __future__ import annotations

from engine.model import FRAME_MS, Sound
from engine.ports import Vad


class Tape:
    """Ends after `silence_s` without a voice, or at `max_s`; the trailing silence is cut."""

    def __init__(self, max_s: float, silence_s: float, vad: Vad) -> None:
        self._most = round(max_s * 1000 / FRAME_MS)
        self._silence = max(1, round(silence_s * 1000 / FRAME_MS))
        self._vad = vad
        self._frames: list[bytes] = []
        self._quiet = 0

    def push(self, frame: bytes, *, silent: bool) -> bool:
        """The next frame; True when the message is over. `silent`: the robot still speaks, nothing is kept yet."""
        if silent:
            return False
        self._frames.append(frame)
        self._quiet = 0 if self._vad.voiced(frame) else self._quiet + 1
        return self._quiet >= self._silence or len(self._frames) >= self._most

    def sound(self) -> Sound:
        kept = max(0, len(self._frames) - max(0, self._quiet - 10))
        return Sound(b"".join(self._frames[:kept]))
