"""Why a campaign dials, or does not, right now: a code for programs, and its words in one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from engine.rules.window import known


@dataclass(frozen=True, slots=True)
class Why:
    """Why a campaign dials, or does not, right now. `code` is one of `CODES`; `until`: when this ends, if that is known
    (else: when a call ends, or when somebody changes something)."""

    code: str
    params: Mapping[str, str | int] = field(default_factory=dict[str, str | int])
    until: datetime | None = None


WORDS: Mapping[str, Mapping[str, str]] = {
    "dialing": {
        "ru": "Звоним: сейчас в разговоре или на наборе {live}.",
        "en": "Calling: {live} on the line now.",
    },
    "window": {
        "ru": "Сейчас вне времени звонков ({timezone}). Продолжим {until}.",
        "en": "Outside the calling hours now ({timezone}). Goes on {until}.",
    },
    "pacing": {
        "ru": "Выдерживаем скорость кампании: {per_hour} звонков в час.",
        "en": "Keeping to the campaign's speed: {per_hour} calls an hour.",
    },
    "concurrency": {
        "ru": "Заняты все одновременные звонки кампании: {live} из {limit}.",
        "en": "All of the campaign's simultaneous calls are in use: {live} of {limit}.",
    },
    "trunk_channels": {
        "ru": "На транке {trunk} заняты все каналы ({limit}).",
        "en": "All channels of the trunk {trunk} are in use ({limit}).",
    },
    "trunk_cps": {
        "ru": "Транк {trunk} принимает не больше {per_second} звонков в секунду.",
        "en": "The trunk {trunk} takes no more than {per_second} calls a second.",
    },
    "number_limit": {
        "ru": "Исчерпан лимит одновременных звонков с номеров кампании.",
        "en": "The campaign's numbers carry as many calls as they may.",
    },
    "no_free_number": {
        "ru": "Не с чего звонить: у кампании нет номера с работающим транком. Добавьте номер.",
        "en": "Nothing to call from: the campaign has no number on a working trunk. Add a number.",
    },
    "spend_limit": {
        "ru": "Достигнут лимит расходов кампании. Увеличьте его, чтобы продолжить.",
        "en": "The campaign's spending limit is reached. Raise it to go on.",
    },
    "goal_limit": {
        "ru": "Достигнут лимит лидов кампании: {goals} из {limit}.",
        "en": "The campaign's limit of goals is reached: {goals} of {limit}.",
    },
    "balance": {
        "ru": "На балансе не хватает денег. Пополните его, звонки продолжатся сами.",
        "en": "There is not enough money on the balance. Top it up; calls go on by themselves.",
    },
    "telephony_down": {
        "ru": "Нет связи с телефонией. Звонки продолжатся сами, как только она вернётся.",
        "en": "The telephony is away. Calls go on by themselves when it is back.",
    },
    "store_down": {
        "ru": "База данных не отвечает. Результаты сохранены в памяти, звонки продолжатся сами.",
        "en": "The database does not answer. Results are kept in memory; calls go on by themselves.",
    },
    "recogniser_full": {
        "ru": "Распознаватель речи загружен полностью. Ждём, пока он освободится.",
        "en": "The speech recogniser is fully loaded. Waiting for it.",
    },
    "overloaded": {
        "ru": "Компьютер не успевает за разговорами. Новых звонков нет, пока не станет свободнее.",
        "en": "The machine does not keep up with the calls. No new ones until it does.",
    },
    "not_started_yet": {
        "ru": "Кампания начнётся {until}.",
        "en": "The campaign starts {until}.",
    },
    "filling": {
        "ru": "Контакты кампании ещё загружаются в очередь.",
        "en": "The campaign's contacts are still being put into its queue.",
    },
    "rendering": {
        "ru": "Готовим фразы робота: {done} из {total}.",
        "en": "Making the robot's prompts: {done} of {total}.",
    },
    "waiting_retry": {
        "ru": "Ждём времени повторных звонков: {until}.",
        "en": "Waiting for the time of repeated calls: {until}.",
    },
    "draining": {
        "ru": "Новых звонков нет: кампания или робот останавливается, живых звонков {live}.",
        "en": "No new calls: the campaign or the robot is stopping, {live} still on the line.",
    },
    "finished": {
        "ru": "Кампания завершена: все контакты обработаны.",
        "en": "The campaign is finished: all contacts are done.",
    },
}
CODES = frozenset(WORDS)


def text(why: Why, language: str = "ru", timezone: str = "UTC") -> str:
    """`why` as a sentence for people; times on the wall clock of `timezone`. Never raises: an unknown code is given as
    it is, an unknown language is English."""
    words = WORDS.get(why.code)
    if words is None:
        return why.code
    given = _Given({key: str(value) for key, value in why.params.items()})
    given["until"] = _moment(why.until, language, timezone)
    return words.get(language, words["en"]).format_map(given)


class _Given(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "…"


def _moment(at: datetime | None, language: str, timezone: str) -> str:
    if at is None:
        return "позже" if language == "ru" else "later"
    zone = timezone if known(timezone) else "UTC"
    return (
        f"{at.astimezone(ZoneInfo(zone)):{'%d.%m.%Y в %H:%M' if language == 'ru' else 'on %Y-%m-%d at %H:%M'}} ({zone})"
    )
