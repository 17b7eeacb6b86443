"""A second Asterisk that plays the telephone network, for the demonstration and for tests.

robot's trunk ──SIP──▶ network ─▶ subscriber by the last two digits: says yes, is busy, hangs up, … (SUBSCRIBERS)
robot's number ◀─SIP── network ◀─ call_in(number, "yes")
"""

from __future__ import annotations

import asyncio
import os
import re
import wave
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from uuid import uuid4

from channels.voice import supervise
from channels.voice.install import Asterisk
from channels.voice.modules import IF_THERE, SIP, there
from channels.voice.render import COMMON, Rendered, lay_out, one_line, reachable, write
from channels.voice.supervise import State, Supervised
from engine.errors import ConfigError

SUBSCRIBERS = MappingProxyType({
    "yes": "01", "no": "02", "key": "03", "interrupts": "04", "silent": "05", "other": "06", "busy": "07",
    "no_answer": "08", "absent": "09", "hangs_up": "10", "wants_operator": "11", "wants_busy_operator": "12",
    "congestion": "13", "rejects": "14", "rings_long": "15", "announced": "16", "voicemail": "17", "screening": "18",
    "street": "19", "announced_busy": "20", "announced_absent": "21", "operator": "91", "busy_operator": "92",
})  # fmt: skip
# What each of the sound files (NAME.wav, mono, 16 bit, 8 kHz) says.
SOUNDS = MappingProxyType({
    "yes": "да", "no": "нет", "other": "у меня сегодня болит голова", "operator": "оператор",
    "hello": "здравствуйте, слушаю вас",
    "unavailable": "аппарат абонента выключен или находится вне зоны действия сети",
    "misdialled": "неправильно набран номер",
    "voicemail": "здравствуйте, вы позвонили Нине, я не могу ответить, оставьте сообщение после сигнала",
    "screening": "вас приветствует ассистент скажите кто звонит и зачем", "picks_up": "алло",
    "street": "", "street_pause": "", "street_yes": "да",  # in noise: STREET
    "special": "", "beep": "", "busy_tone": "",  # tones: TONES
})  # fmt: skip
# Those of them with street noise: its seconds, of what is said the noise before and after.
STREET = MappingProxyType({"street": 20.0, "street_pause": 1.5, "street_yes": 0.4})
# Those of them that are no words: (Hz, seconds) one after another; 0 Hz is silence.
TONES = MappingProxyType({
    "special": ((950, 0.33), (1400, 0.33), (1800, 0.33)), "beep": ((1000, 0.4),),
    "busy_tone": ((425, 0.35), (0, 0.35)) * 4,
})  # fmt: skip

_MODULES = (*SIP, "app_talkdetect", "app_waitforsilence", "app_senddtmf", "app_exec", "func_dialplan", "pbx_spool")
_TEMPLATES = {
    **COMMON,
    "manager.conf": "http.conf.j2",  # served neither
    "pjsip.conf": "pstn/pjsip.conf.j2",
    "extensions.conf": "pstn.conf.j2",
}
_SILENCE_S = 60
_CALLED = re.compile(r": called (\d+) by (\d*)$")
_ANSWERED = re.compile(r": answered (\d+)$")


@dataclass(frozen=True, slots=True)
class Network:
    """Where the network is, and where the robot's SIP port is. Addresses, not names."""

    port: int
    robot_port: int
    sounds: Path
    host: str = "127.0.0.1"
    robot_host: str = "127.0.0.1"
    rtp_start: int = 30000
    rtp_end: int = 39999
    ring_s: float = 0.3  # from the call to the answer, of those who answer
    long_ring_s: float = 8.0
    pause_ms: int = 700  # of silence after which a subscriber takes the robot's words to be over
    operator_s: float = 3.0  # how long the operator stays after the greeting


@dataclass(frozen=True, slots=True)
class Seen:
    """What the network saw of one number, with a plus: the calls to it, and those of them that were answered."""

    callers: list[str] = field(default_factory=list)  # of each call, in their order
    answered: list[int] = field(default_factory=list)  # how many calls there had been at each answer

    @property
    def calls(self) -> int:
        return len(self.callers)


@dataclass(slots=True)
class Pstn:
    """The running network."""

    network: Network
    asterisk: Supervised

    async def call_in(self, number: str, behaviour: str, *, phone: str = "+79001112233", wait_s: int = 30) -> None:
        """Call the robot's `number` from `phone`; when it answers the caller behaves as `behaviour` of SUBSCRIBERS.
        Returns when the network has taken the call on; it is given up after `wait_s` of ringing."""
        if not re.fullmatch(r"\+?\d{1,15}", number) or not re.fullmatch(r"\+?\d{0,15}", phone):
            raise ValueError("number and phone must be digits with a leading + at most")
        lines = {
            "Channel": f"PJSIP/{number}@robot",
            "CallerID": f'"" <{phone}>',
            "WaitTime": str(wait_s),
            "MaxRetries": "0",
            "Context": "subscribers",
            "Extension": SUBSCRIBERS[behaviour],
            "Priority": "1",
        }
        text = "".join(f"{key}: {value}\n" for key, value in lines.items())
        await asyncio.to_thread(_put, self.asterisk.folders.spool, text)

    def seen(self) -> dict[str, Seen]:
        """Every call that has come to the network so far, by the number called; whatever the robot says of it."""
        numbers: dict[str, Seen] = {}
        for line in self.asterisk.folders.output.read_text("utf-8", "replace").splitlines():
            if (called := _CALLED.search(line)) is not None:
                numbers.setdefault(f"+{called[1]}", Seen()).callers.append(f"+{called[2]}")
            elif (answered := _ANSWERED.search(line)) is not None:
                of = numbers.setdefault(f"+{answered[1]}", Seen())
                of.answered.append(of.calls)
        return numbers


def render(network: Network, asterisk: Asterisk, *, root: Path) -> Rendered:
    """Write the network's configuration below `root`. Raises ConfigError; a sound that is missing is named."""
    folders = lay_out(root.absolute())
    sounds = _sounds(network, folders.lib / "subscribers")
    (folders.spool / "outgoing").mkdir(exist_ok=True)
    (folders.spool / "tmp").mkdir(exist_ok=True)
    context = {
        "network": {
            "bind": reachable(network.host, network.port),
            "host": network.host,
            "robot": reachable(network.robot_host, network.robot_port),
            "robot_host": network.robot_host,
        },
        "transmit_silence": False,  # with it WaitForSilence does not notice that no packets come
        "rtp": {"start": network.rtp_start, "end": network.rtp_end},
        "modules": there(asterisk, _MODULES, IF_THERE),
        "sounds": sounds,
        "ring_s": network.ring_s,
        "long_ring_s": network.long_ring_s,
        "operator_s": network.operator_s,
        "pause_ms": network.pause_ms,
    }
    return write(_TEMPLATES, context, folders, asterisk)


@asynccontextmanager
async def running(
    network: Network, asterisk: Asterisk, *, root: Path, state: State = lambda _works, _words: None
) -> AsyncGenerator[Pstn]:
    """The network, ready for calls inside the block; its configuration and sounds are below `root`."""
    rendered = await asyncio.to_thread(render, network, asterisk, root=root)
    async with supervise.running(asterisk, rendered, state) as supervised:
        yield Pstn(network, supervised)


def _sounds(network: Network, folder: Path) -> Path:
    """A folder with the sounds by links, so that their own path may have any characters, and with silence."""
    missing = [name for name in SOUNDS if not (network.sounds / f"{name}.wav").is_file()]
    if missing:
        raise ConfigError(f"{network.sounds} lacks {', '.join(f'{name}.wav' for name in missing)}")
    one_line(network.sounds)
    folder.mkdir(exist_ok=True)
    for name in SOUNDS:
        link = folder / f"{name}.wav"
        link.unlink(missing_ok=True)
        link.symlink_to((network.sounds / f"{name}.wav").absolute())
    with wave.open(str(folder / "silence.wav"), "wb") as silence:
        silence.setparams((1, 2, 8000, 0, "NONE", ""))
        silence.writeframes(bytes(2 * 8000 * _SILENCE_S))
    return folder


def _put(spool: Path, text: str) -> None:
    """Asterisk takes a call file as soon as it is there: it must be there all at once."""
    name = f"{uuid4().hex}.call"
    (spool / "tmp" / name).write_text(text, "ascii")
    os.rename(spool / "tmp" / name, spool / "outgoing" / name)
