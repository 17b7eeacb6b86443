"""What machines say when they answer, and what people do: phrases in Russian and English, found in partial texts.

    "абонент временно недоступен" ─▶ announcement, unreachable        "оставьте сообщение после сигнала" ─▶ machine

A phrase is words, each given by its beginning (`остав*`) or whole; up to two other words may stand between. With the
end of one a phrase of another kind may begin: "вас приветствует" and "приветствует ассистент".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    PERSON = "person"
    MACHINE = "machine"
    SCREENING = "screening"
    ANNOUNCEMENT = "announcement"
    FAX = "fax"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Clue:
    """`strength` 0 to 1: how far the phrase alone decides. `means`: an API `status`, for announcements."""

    kind: Kind
    phrase: str
    strength: float
    means: str = ""


LONGEST = 600  # characters of a partial that are looked at: the last ones
BETWEEN = 2  # other words may stand between those of a phrase
_MACHINE = {
    1.0: """
        остав* сообщени*; остав* голосов*; после сигнала; после звукового; после гудка; автоответчик*; голосов* почт*;
        голосов* ящик*; голосовой почтовый; запишите сообщени*; надиктуйте; продиктуйте сообщени*; говорите после;
        вас приветствует голосовая; это голосовая почта; это автоответчик; нерабочее время; часы работы;
        leave a message; leave your message; leave me a message; after the beep; after the tone; voice mail; voicemail;
        mailbox; answering machine; record your message; at the tone; get back to you
    """,
    0.6: """
        абонент не может; вы можете оставить; с вами свяжется; call has been forwarded; voice message;
        не могу ответить; не можем ответить; не может ответить; не можем сейчас ответить; не могу подойти;
        перезвоню вам;
        мы вам перезвоним; мы обязательно перезвоним; наше рабочее время; рабоч* время;
        вы позвонили; вас приветствует; дождитесь ответа; оставайтесь на линии;
        разговор записывается; разговор может быть записан; в тональном режиме; нажмите; внутренний номер;
        can't come to the phone; cannot take your call; can't take your call; unable to take your call; not available;
        you have reached; you've reached; business hours; office is closed;
        thank you for calling; press one; please hold; call is being recorded; ваш звонок; your call
    """,
    0.35: """
        вызываемый абонент; к сожалению; person you are calling; subscriber you are calling
    """,
}
_SCREENING = {
    1.0: """
        представьтесь; назовите себя; назовите ваше имя; цель звонка; цель вашего; по какому вопросу; что передать;
        что ему передать; что ей передать; виртуальн* ассистент*; виртуальн* помощник*; голосов* ассистент*;
        голосов* помощник*; секретар* олег*; личн* секретар*; умн* секретар*; виртуальн* секретар*; робот секретар*;
        кто звонит и зачем; кто звонит и по какому; кто вы и зачем; зачем вы звоните; приветствует ассистент*;
        электронн* секретар*; умн* ответчик*; отвечает ассистент*; отвечает помощник*; защитник*; передам абоненту;
        screening service; using a screening; using call assist; this is call assist; record your name; state your name;
        reason for calling; reason for your call; why you're calling; virtual assistant;
        digital assistant; google assistant
    """,
    0.6: "скажите кто звонит; скажите кто вы; who is calling and why; say who is calling",
    0.3: "секретар*; ассистент*; помощник*; assistant; may i ask; who is calling",
}
_ANNOUNCED = {
    "unreachable": """
        временно недоступ*; абонент* недоступ*; сейчас недоступ*; вне зоны; зоны действия; телефон* выключен*;
        аппарат* абонент* выключен*; выключен или находится; временно заблокирован*; абонент не отвечает;
        не может быть установлен*; связь с абонентом; отправили абоненту смс; сообщим о вашем звонке;
        temporarily unavailable; is unavailable; switched off; turned off; out of coverage; out of service;
        cannot be reached; can't be reached; not reachable; cannot be completed; not answering
    """,
    "invalid_number": """
        номер не существует; несуществующ* номер*; неправильно набран*; неверно набран*; набран* неправильно;
        набран* неверно; номер набран; не обслуживается; номер* изменен*; номер* не используется; такого номера;
        проверьте правильность; number is not in service; not in service; has been disconnected; no longer in service;
        number does not exist; not a valid number; check the number
    """,
    "busy": """
        абонент* занят*; линия занята; номер занят; абонент* разговаривает; находится в разговоре; говорит по телефону;
        line is busy; number is busy; subscriber is busy; on another call; currently busy
    """,
}
_PERSON = """
    алло; ало; алё; да; слушаю; слушаю вас; да слушаю; говорите; да да; здравствуйте; добрый день; добрый вечер;
    доброе утро; привет; кто это; кто там; вас не слышно; я слушаю; але; аллё;
    yes; hello; hi; hey; who is this; who's this; speaking
"""


_OPENING = """
    здравствуйте; добрый день; добрый вечер; доброе утро; привет; hello; hi; good morning; good afternoon; good evening
"""


def _plain(text: str) -> str:
    return " ".join(re.findall(r"[\w']+", text.lower().replace("ё", "е").replace("’", "'")))


def _pattern(words: Sequence[str], end: str = r"(?![\w'])") -> re.Pattern[str]:
    one_by_one = [re.escape(word.rstrip("*")) + (r"\w*" if word.endswith("*") else "") for word in words]
    between = rf" (?:[\w']+ ){{0,{BETWEEN}}}"
    return re.compile(r"(?<![\w'])" + between.join(one_by_one) + end)


def _list(text: str) -> list[str]:
    return [phrase.replace("ё", "е") for phrase in (" ".join(each.split()) for each in text.split(";")) if phrase]


_CLUES: tuple[tuple[re.Pattern[str], Clue], ...] = tuple(
    (_pattern(phrase.split()), Clue(kind, phrase, strength, means))
    for kind, table in (
        (Kind.SCREENING, [(text, strength, "") for strength, text in _SCREENING.items()]),
        (Kind.MACHINE, [(text, strength, "") for strength, text in _MACHINE.items()]),
        (Kind.ANNOUNCEMENT, [(text, 1.0, means) for means, text in _ANNOUNCED.items()]),
    )
    for text, strength, means in table
    for phrase in _list(text)
)


def _may_be_one(word: str, other: str) -> bool:
    """Can the same word be meant?"""
    ours, theirs = word.rstrip("*"), other.rstrip("*")
    if word.endswith("*") and theirs.startswith(ours):
        return True
    return ours == theirs or (other.endswith("*") and ours.startswith(theirs))


def _longer(clue: Clue) -> list[tuple[list[str], list[str], int]]:
    """The words of this clue, those which would make them a phrase of another kind that began with its end, and how
    many others may stand between: assistants have names and adjectives, the network has not."""
    words = clue.phrase.split()
    found = []
    for _, other in _CLUES:
        theirs = other.phrase.split()
        if other.kind is not clue.kind:
            for shared in range(1, min(len(words), len(theirs) - 1) + 1):
                if all(map(_may_be_one, words[-shared:], theirs[:shared])):
                    found += [(words, theirs[shared:], BETWEEN if other.kind is Kind.SCREENING else 0)]
    return found


_UNFINISHED: dict[str, tuple[re.Pattern[str], ...]] = {}  # phrase -> what it looks like while it may be another yet
_FINISHED: dict[str, tuple[re.Pattern[str], ...]] = {}  # phrase -> what it looks like when it has become one
for _, _clue in _CLUES:
    if _more := _longer(_clue):
        _so_far = {((*words, *rest[:n]), others) for words, rest, others in _more for n in range(len(rest))}
        _UNFINISHED[_clue.phrase] = tuple(
            _pattern(words, rf"(?: [\w']+){{0,{others}}}$") for words, others in sorted(_so_far)
        )
        _FINISHED[_clue.phrase] = tuple(_pattern((*words, *rest)) for words, rest, _ in _more)
_GREETS = frozenset(_list(_PERSON))
_ANSWERS = re.compile(r"^(?:алло|ало|але|алле|да я|hello hello)\b|\bслушаю\b|\bwho(?: is|'s) this\b|^yes speaking\b")
_OPENS = frozenset(_list(_OPENING))
# Words for the phrases that are given by their beginnings, and what usually stands around the others: as they are said.
_SAID = """
    оставьте сообщение; оставьте ваше сообщение; оставить сообщение; оставьте голосовое сообщение; голосовая почта;
    голосовой почты; голосовом почтовом ящике; запишите сообщение; продиктуйте сообщение; автоответчик;
    виртуальный ассистент; виртуальный помощник; виртуальный секретарь; голосовой ассистент; голосовой помощник;
    вас приветствует ассистент; отвечает ассистент; секретарь; временно недоступен; абонент недоступен;
    вам отвечает голосовой ассистент; вам отвечает виртуальный ассистент; вас приветствует виртуальный ассистент;
    вас приветствует голосовой помощник; это виртуальный секретарь; это виртуальный помощник; это голосовой ассистент;
    это личный секретарь; это секретарь; с вами говорит виртуальный помощник; с вами говорит голосовой ассистент;
    с вами говорит ассистент; представьтесь пожалуйста; скажите кто звонит; скажите кто звонит и зачем;
    кто звонит и по какому вопросу; назовите цель звонка; назовите цель вашего звонка; скажите цель звонка;
    скажите по какому вопросу; по какому вопросу вы звоните; что передать абоненту; это голосовая почта;
    оставьте сообщение после сигнала; оставьте сообщение после звукового сигнала; пожалуйста оставьте сообщение;
    не могу подойти к телефону; сейчас не могу ответить; не могу ответить на звонок; не может ответить на ваш звонок;
    абонент не может ответить; вызываемый абонент не отвечает; вы можете оставить сообщение; вы позвонили в компанию;
    это автоответчик;
    ваш звонок очень важен для нас; для соединения нажмите; нажмите один;
    this is a virtual assistant; this is a digital assistant; please state your name; please say who is calling;
    the reason for calling; the person you are calling; the person you are calling is not available;
    is using a screening service; this is the voicemail;
    please leave a message; please leave your message; please leave a message after the beep;
    after the tone; please record your message; your call has been forwarded; automatic voice message system;
    to the voicemail; I can't come to the phone; can't come to the phone right now; thank you for calling;
    сейчас недоступен; телефон абонента выключен; аппарат абонента выключен; неправильно набран номер;
    набранный вами номер не существует; номер изменён; абонент занят; абонент разговаривает
"""


def _indivisible(phrases: set[str]) -> tuple[str, ...]:
    """Those that are not put together of others: said in two ways, a phrase is half as sure to a recogniser."""

    def divides(text: str, *, whole: bool) -> bool:
        words = text.split()
        cuts = [" ".join(words[:n]) for n in range(1, len(words) + (not whole))]
        return any(cut in phrases and (cut == text or divides(text[len(cut) + 1 :], whole=False)) for cut in cuts)

    return tuple(sorted(phrase for phrase in phrases if not divides(phrase, whole=True)))


EXPECTED = _indivisible({clue.phrase for _, clue in _CLUES if "*" not in clue.phrase} | _GREETS | set(_list(_SAID)))
"""Whole phrases, for a recogniser that must be told what to expect."""


def clues(text: str) -> list[Clue]:
    """Every phrase of a machine that this text holds, each once."""
    plain = _plain(text[-LONGEST:])
    return [clue for pattern, clue in _CLUES if pattern.search(plain)]


def unfinished(clue: Clue, text: str) -> bool:
    """This clue of the text may yet turn out to be the beginning of a longer phrase of another kind: the text ends
    within that one."""
    patterns = _UNFINISHED.get(clue.phrase, ())
    plain = _plain(text[-LONGEST:]) if patterns else ""
    return any(pattern.search(plain) for pattern in patterns)


def became_another(clue: Clue, text: str) -> bool:
    """In this text the clue is but the beginning of a longer phrase of another kind, which is there as a whole."""
    patterns = _FINISHED.get(clue.phrase, ())
    plain = _plain(text[-LONGEST:]) if patterns else ""
    return any(pattern.search(plain) for pattern in patterns)


def opens(text: str) -> bool:
    """Nothing but words with which a recorded greeting begins as often as a person's."""
    return _plain(text[:LONGEST]) in _OPENS


def answers(text: str) -> bool:
    """Begins, or goes on, as only people do who pick up a telephone, whatever else they say."""
    plain = _plain(text[:LONGEST])
    return bool(_ANSWERS.search(plain)) and not clues(text)


def greets(text: str) -> bool:
    """Nothing but what a person says into a telephone that rang: one or two of their phrases, and no more."""
    plain = _plain(text[:LONGEST])
    if not plain or len(plain) > 40:
        return False
    if plain in _GREETS:
        return True
    words = plain.split()
    return any(" ".join(words[:cut]) in _GREETS and " ".join(words[cut:]) in _GREETS for cut in range(1, len(words)))
