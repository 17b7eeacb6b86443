"""Pronunciation by letters alone, for machines without espeak-ng: the model's sounds of any Russian or English word.

Russian letters tell everything but the stress, so that a word has a pronunciation for each of its vowels; `+` before a
vowel, or ё, tells that too. English letters tell little: their sounds are the likeliest.
"""

from __future__ import annotations

import re

STRESSES = 6  # vowels of a word that may bear it
_HARD = {"б": "b", "в": "v", "г": "g", "д": "d", "з": "z", "к": "k", "л": "l", "м": "m", "н": "n", "п": "p", "р": "r",
         "с": "s", "т": "t", "ф": "f", "х": "x"}  # fmt: skip
_FIXED = {"ж": "zh", "ш": "sh", "щ": "sch", "ч": "ch", "ц": "ts", "й": "j"}
_VOWELS = {"а": "A", "я": "A", "о": "O", "ё": "O", "у": "U", "ю": "U", "э": "E", "е": "E", "и": "I", "ы": "Y"}
_WEAK = {"A": "a", "O": "a", "E": "i", "U": "u", "I": "i", "Y": "y"}
_VOICELESS = {"b": "p", "v": "f", "g": "k", "d": "t", "z": "s", "zh": "sh"}
_VOICED = {voiceless: voiced for voiced, voiceless in _VOICELESS.items()}
_ENDINGS = [
    (re.compile(r"(?<!мн)(?<!стр)(?<!дор)([ое]\u0301?)го(\u0301?)$"), r"\1во\2"),  # but not много, строго, дорого
    (re.compile(r"(\u0301?)ть?ся$"), r"\1ца"),
]
_LAZY = (("что", "што"), ("чтоб", "штоб"),
         ("конечно", "конешно"), ("солнце", "сонце"), ("сегодня", "севодня"), ("здн", "зн"), ("стн", "сн"),
         ("вств", "ств"), ("сч", "щ"), ("зч", "щ"), ("жч", "щ"))  # fmt: skip


def russian(word: str) -> list[tuple[str, ...]]:
    """The likely pronunciations, one for each place of the stress."""
    marked = word.lower()
    spelt = re.sub(r"[^а-яё]", "", marked)
    places = [at for at, letter in enumerate(spelt) if letter in _VOWELS]
    if "ё" in spelt:
        places = [spelt.rindex("ё")]
    elif (mark := marked.find("+")) >= 0:
        place = len(re.sub(r"[^а-яё]", "", marked[:mark]))
        places = [place] if place in places else places
    found = dict.fromkeys(_russian(spelt, place) for place in places[-STRESSES:] or [-1])
    return [sounds for sounds in found if sounds]


def _russian(spelt: str, stress: int) -> tuple[str, ...]:
    mark = "\u0301"
    text = spelt if stress < 0 else spelt[: stress + 1] + mark + spelt[stress + 1 :]
    for written, said in _LAZY:
        text = text.replace(written, said)
    for ending, said in _ENDINGS:
        text = ending.sub(said, text)
    sounds: list[str] = []
    for at, letter in enumerate(text):
        before = text[at - 1] if at else ""
        following = text[at + 1] if at + 1 < len(text) else ""
        if letter in _HARD:
            soft = following in "ьеёюяи" and following != ""
            sounds.append(_HARD[letter] + ("'" if soft else ""))
        elif letter in _FIXED:
            sounds.append(_FIXED[letter])
        elif letter in _VOWELS:
            if letter in "еёюя" and (not before or before in "ьъ" + mark or before in _VOWELS):
                sounds.append("j")
            vowel = _VOWELS[letter]
            if before and before in "жшц" and (vowel == "I" or (vowel == "E" and following != mark)):
                vowel = "Y"
            sounds.append(vowel if following == mark else _WEAK[vowel])
    return _assimilated(sounds)


def _assimilated(sounds: list[str]) -> tuple[str, ...]:
    """The last of a row of consonants decides whether all of them have a voice; at the end none has."""
    found = list(sounds)
    voice: bool | None = False
    for at in reversed(range(len(found))):
        bare, soft = found[at].rstrip("'"), "'" if found[at].endswith("'") else ""
        if bare in _VOICELESS or bare in _VOICED:
            if voice is None:
                voice = bare in _VOICELESS if bare != "v" else None
            elif voice:
                found[at] = _VOICED.get(bare, bare) + soft
            else:
                found[at] = _VOICELESS.get(bare, bare) + soft
        elif bare in ("x", "ts", "ch", "sch"):
            voice = False
        else:
            voice = None
    return tuple(sound for at, sound in enumerate(found) if at == 0 or sound != found[at - 1])


_ENGLISH = [
    (r"tion\b", "S @ n"), (r"tch", "tS"), (r"igh", "aI"), (r"ough\b", "oU"), (r"augh", "O:"), (r"eigh", "eI"),
    (r"ch", "tS"), (r"sh", "S"), (r"th", "T"), (r"ph", "f"), (r"wh", "w"), (r"ck", "k"), (r"ng\b", "N"),
    (r"qu", "k w"), (r"\bkn", "n"), (r"\bwr", "r"), (r"ee|ea", "i:"), (r"oo", "u:"), (r"ou|ow", "aU"),
    (r"oi|oy", "OI"), (r"ai|ay", "eI"), (r"oa", "oU"), (r"au|aw", "O:"), (r"ew", "j u:"), (r"er\b|or\b|ar\b", "@r"),
    (r"ar", "A: r"), (r"or", "O: r"), (r"er|ir|ur", "@r"), (r"a(?=[^aeiouy]e\b)", "eI"), (r"i(?=[^aeiouy]e\b)", "aI"),
    (r"o(?=[^aeiouy]e\b)", "oU"), (r"u(?=[^aeiouy]e\b)", "u:"), (r"(?<=[^aeiouy])e\b", ""),
    (r"(?<=[a-z]{2})y\b", "i:"), (r"y\b", "aI"), (r"c(?=[eiy])", "s"), (r"g(?=[eiy])", "dZ"), (r"o\b", "oU"),
    (r"a\b", "@"), (r"x", "k s"), (r"j", "dZ"), (r"c", "k"), (r"q", "k"), (r"a", "a"), (r"e", "E"), (r"i", "I"),
    (r"o", "A:"), (r"u", "V"), (r"y", "I"), (r"([bdfghklmnprstvwz])", "="),
]  # fmt: skip
_RULES = [(re.compile(pattern), sounds) for pattern, sounds in _ENGLISH]


def english(word: str) -> list[tuple[str, ...]]:
    spelt = re.sub(r"[^a-z]", "", word.lower())
    found: list[str] = []
    at = 0
    while at < len(spelt):
        matched = next(((m, sounds) for rule, sounds in _RULES if (m := rule.match(spelt, at))), None)
        if matched is None:
            at += 1
            continue
        match, sounds = matched
        found += [f"e_{sound}" for sound in (spelt[at] if sounds == "=" else sounds).split()]
        at = match.end()
    said = tuple(sound for at, sound in enumerate(found) if at == 0 or sound != found[at - 1])
    return [said] if said else []
