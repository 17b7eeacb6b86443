"""The telephone, on Asterisk."""

from channels.voice.channel import TelephoneChannel, open
from engine.config import Settings

__all__ = ["Settings", "TelephoneChannel", "open"]
