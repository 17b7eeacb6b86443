"""The sounds that the embedded model tells apart, and espeak's mnemonics as such sounds.

Russian: capitals are stressed vowels, `'` is a soft consonant. English ones begin with `e_`. Their order is that of the
network's outputs (0 is CTC's blank): a change asks for a new model, which says its own order in `lexicon.json`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

STRESSED = ("A", "E", "O", "I", "Y", "U")
UNSTRESSED = ("a", "i", "u", "y")
PAIRED = ("b", "v", "g", "d", "z", "k", "l", "m", "n", "p", "r", "s", "t", "f", "x")
UNPAIRED = ("j", "zh", "sh", "sch", "ch", "ts")
RUSSIAN = (*STRESSED, *UNSTRESSED, *PAIRED, *(f"{sound}'" for sound in PAIRED), *UNPAIRED)
ENGLISH = tuple(
    f"e_{sound}"
    for sound in (
        *("i:", "I", "E", "a", "A:", "0", "O:", "U", "u:", "V", "@", "@r", "3:", "eI", "aI", "OI", "aU", "oU"),
        *("p", "b", "t", "d", "k", "g", "f", "v", "T", "D", "s", "z", "S", "Z", "tS", "dZ"),
        *("m", "n", "N", "l", "r", "w", "j", "h"),
    )
)
SOUNDS = (*RUSSIAN, *ENGLISH)
VOICES = {"ru": ("ru",), "en": ("en-us", "en")}  # whose pronunciations stand for a language

_PARTS = re.compile(r"[_\s]+")
# After the stress is off; a stressed vowel that stands for two sounds keeps it on the second.
_RUSSIAN_VOWELS = {"A": "A", "a": "A", "V": "A", "a#": "A", "@": "A", "e": "E", "E": "E", "E#": "E", "E2": "E",
                   "o": "O", "8": "O", "i": "I", "I": "I", "I^": "I", "y": "Y", "u": "U",
                   'u"': "U", "u#": "U"}  # fmt: skip
_JOTATED = {"ja": "A", "ju": "U", "jo": "O", "je": "E"}
_REDUCED = {"A": "a", "O": "a", "E": "i", "I": "i", "Y": "y", "U": "u"}
_RUSSIAN_REST = {
    "tS;": "ch",
    "tS": "ch",
    "ts": "ts",
    "S;": "sch",
    "S": "sh",
    "Z": "zh",
    "Z;": "zh",
    "R": "r'",
    "j": "j",
}
_ENGLISH = {
    **dict.fromkeys(("I#", "I2"), ("I",)),
    **dict.fromkeys(("@2", "@5", "a#"), ("@",)),
    **dict.fromkeys(("t#", "t2"), ("t",)),
    "i": ("i:",), "@L": ("@", "l"), "n-": ("@", "n"), "l-": ("@", "l"), "m-": ("@", "m"), "r-": ("r",), "aa": ("A:",),
    "u": ("u:",), "O2": ("O:",), "O": ("O:",), "A": ("A:",), "w#": ("w",), "x": ("k",),
}  # fmt: skip
_AMERICAN = {"0": ("A:",), "A@": ("A:", "r"), "o@": ("O:", "r"), "O@": ("O:", "r"), "e@": ("E", "r"), "i@": ("i:", "@"),
             "i@3": ("i:", "@r"), "U@": ("U", "r"), "aI@": ("aI", "@"), "aI3": ("aI", "@r"), "3": ("@r",),
             "3:": ("@r",)}  # fmt: skip
_BRITISH = {"A@": ("A:",), "o@": ("O:",), "O@": ("O:",), "e@": ("E", "@"), "i@": ("i:", "@"), "i@3": ("i:", "@"),
            "U@": ("U", "@"), "aI@": ("aI", "@"), "aI3": ("aI", "@"), "3": ("@",)}  # fmt: skip
_NOTHING = ("", ";", "@-", "?", "-", "|", "||", "_:", ":")


def from_espeak(voice: str, mnemonics: str) -> tuple[str, ...]:
    """The sounds of espeak's mnemonics, parted by `_` and blanks; one that is said twice running is there once.

    Mnemonics that no sound stands for are left out: a name in a third language is no reason to fail.
    """
    parts = _PARTS.split(mnemonics.strip())
    found = _russian(parts) if voice.startswith("ru") else _english(parts, american=voice.startswith("en-us"))
    return tuple(sound for at, sound in enumerate(found) if at == 0 or sound != found[at - 1])


def _russian(parts: Sequence[str]) -> list[str]:
    found: list[str] = []
    for part in parts:
        if part == ";":
            if found and found[-1] in PAIRED:
                found[-1] += "'"
            continue
        if part in _NOTHING:
            continue
        stressed = part[0] in "',"
        bare = part.lstrip("',")
        if bare in _JOTATED:
            found.append("j")
            bare, vowel = "", _JOTATED[bare]
        else:
            vowel = _RUSSIAN_VOWELS.get(bare, "")
        if vowel:
            found.append(vowel if stressed else _REDUCED[vowel])
        elif bare in _RUSSIAN_REST:
            found.append(_RUSSIAN_REST[bare])
        elif bare.rstrip(";") in PAIRED:
            found.append(bare.replace(";", "'"))
    return found


def _english(parts: Sequence[str], *, american: bool) -> list[str]:
    own = _AMERICAN if american else _BRITISH
    found: list[str] = []
    for part in parts:
        bare = part.lstrip("',%=").rstrip(";")
        if bare in _NOTHING:
            continue
        sounds = own.get(bare) or _ENGLISH.get(bare) or (bare,)
        found += [f"e_{sound}" for sound in sounds if f"e_{sound}" in _KNOWN]
    return found


_KNOWN = frozenset(SOUNDS)
