"""What the demonstration's subscribers sound like: their words by a synthesizer, their tones, and the noise around one.

pstn.SOUNDS ─▶ espeak-ng, not in the robot's voice ─▶ NAME.wav        pstn.STREET ─▶ cars that pass ─┘ pstn.TONES ─┘
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from channels.voice import pstn
from engine import audio
from engine.audio import Floats
from engine.model import RATE, Sound
from tts import espeak

# The subscribers' voices: not the robot's.
VOICES = {
    "yes": "ru+f2", "no": "ru+m3", "other": "ru+m2", "operator": "ru+f1", "hello": "ru+f3", "unavailable": "ru+f5",
    "voicemail": "ru+f4", "misdialled": "ru+f5", "screening": "ru+f1", "picks_up": "ru+f2", "street_yes": "ru+f2",
}  # fmt: skip
VOICE_DBFS = -22.0  # of the one in the street, while they speak
STREET_DB = 10.0  # the voice is so much louder than the street
SEED = 7


async def voices(folder: Path) -> None:
    """What the network's subscribers say, as sound files in this folder; those that are there are kept."""
    wanted = {name: text for name, text in pstn.SOUNDS.items() if not (folder / f"{name}.wav").exists()}
    if not wanted:
        return
    async with espeak.open(espeak.Settings(rate_wpm=140), data_dir=folder) as speaker:
        for name, text in wanted.items():
            sound = Sound(b"".join(audio.tone(hz, seconds).pcm for hz, seconds in pstn.TONES.get(name, ())))
            if text:
                sound = await speaker.render(text, voice=VOICES[name], language="ru")
            if name in pstn.STREET:
                sound = in_the_street(sound, pstn.STREET[name])
            (folder / f"{name}.wav").write_bytes(audio.to_wav(sound))


def in_the_street(said: Sound, around_s: float, *, louder_db: float = STREET_DB, seed: int = SEED) -> Sound:
    """These words, and before and after them the noise that is under them too; without words the noise for as long."""
    voice = audio.samples(said.pcm)
    around = np.zeros(round(around_s * RATE), np.float32)
    wave = np.concatenate([around, voice, around]) if voice.size else around
    loud = np.abs(voice) > 0.01
    if loud.any():
        wave *= 10 ** (VOICE_DBFS / 20) / float(np.sqrt(np.mean(voice[loud] ** 2)))
    return Sound(audio.to_pcm(wave + _cars(wave.size, seed) * 10 ** ((VOICE_DBFS - louder_db) / 20)))


def _cars(samples: int, seed: int) -> Floats:
    """Wheels and engines, near and far: a rushing that falls towards high sounds and swells within seconds."""
    chance = np.random.default_rng(seed)
    hz = np.maximum(np.fft.rfftfreq(samples, 1 / RATE), 1.0)
    response = (hz > 150) / np.sqrt(hz) / np.maximum(hz / 500, 0.5)
    rushing = np.fft.irfft(np.fft.rfft(chance.standard_normal(samples)) * response, samples)
    turns = np.arange(0, samples + RATE, RATE)
    swelling = np.interp(np.arange(samples), turns, chance.uniform(0.6, 1.3, turns.size))
    noise = (rushing * swelling).astype(np.float32)
    return np.asarray(noise / np.float32(np.sqrt(np.mean(noise**2)) + 1e-9))
