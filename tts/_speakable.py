"""What every voice engine asks of a text first."""

from __future__ import annotations

from engine.errors import SpeechError
from tts import _text

MOST_CHARACTERS = 5000


def speakable(text: str) -> str:
    """The text cleaned to one line; empty if there is nothing in it to say. Raises SpeechError if it is too long."""
    if len(text) > MOST_CHARACTERS:
        raise SpeechError(f"a text of {len(text)} characters is too long to be spoken: at most {MOST_CHARACTERS}")
    cleaned = _text.clean(text)
    return cleaned if any(character.isalnum() for character in cleaned) else ""
