"""The API's words (states, statuses, results, causes) as people read them, and which of them are good news."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from web.pages import locale


def N_(text: str) -> str:  # noqa: N802 - the name that gettext's tools look for
    """Marks a text for the catalogues; it is translated where it is shown."""
    return text


LABELS: Mapping[str, Mapping[str, str]] = {
    "state": {
        "draft": N_("draft"),
        "scheduled": N_("scheduled"),
        "running": N_("running"),
        "paused": N_("paused"),
        "stopped": N_("stopped"),
        "finished": N_("finished"),
        "archived": N_("archived"),
    },
    "line": {"active": N_("answers"), "off": N_("off"), "archived": N_("archived")},
    "number": {"available": N_("free"), "rented": N_("yours")},
    "segment": {"ready": N_("ready"), "importing": N_("importing"), "failed": N_("failed")},
    "kind": {"contacts": N_("contacts"), "blacklist": N_("stop list"), "empty": N_("empty")},
    "status": {
        "queued": N_("queued"),
        "dialing": N_("dialing"),
        "ringing": N_("ringing"),
        "answered": N_("answered"),
        "no_answer": N_("no answer"),
        "busy": N_("busy"),
        "rejected": N_("rejected"),
        "unreachable": N_("unreachable"),
        "invalid_number": N_("invalid number"),
        "congestion": N_("network congestion"),
        "failed": N_("failed"),
        "blocked": N_("blocked"),
    },
    "result": {
        "goal": N_("goal"),
        "opt_out": N_("asked not to be called"),
        "answering_machine": N_("answering machine"),
        "non_target": N_("not the right person"),
        "transferred": N_("transferred"),
    },
    "closed": {
        "goal": N_("goal reached"),
        "answered": N_("talked to"),
        "opt_out": N_("asked not to be called"),
        "attempts": N_("no attempts left"),
        "blocked": N_("on a stop list"),
        "invalid_number": N_("invalid number"),
        "stopped": N_("campaign stopped"),
        "window": N_("no time left to call"),
    },
    "direction": {"outbound": N_("outbound"), "inbound": N_("inbound")},
    "call_kind": {
        "campaign": N_("campaign"),
        "single": N_("single call"),
        "inbound": N_("inbound line"),
        "password": N_("call password"),
    },
    "ended_by": {"robot": N_("the robot"), "subscriber": N_("the subscriber"), "system": N_("the system")},
    "by": {
        "voice": N_("voice"),
        "dtmf": N_("key"),
        "silence": N_("silence"),
        "other": N_("not understood"),
        "time": N_("time"),
        "barge_in": N_("interrupted"),
        "exhausted": N_("too often"),
    },
    "decided": {"partial": N_("before the end of speech"), "final": N_("at the end of speech")},
    "met": {
        "exact": N_("the very words"),
        "form": N_("another form"),
        "pattern": N_("by the pattern"),
    },
    "answered_by": {
        "person": N_("a person"),
        "machine": N_("an answering machine"),
        "screening": N_("a screening assistant"),
        "announcement": N_("an operator's announcement"),
        "fax": N_("a fax"),
        "unknown": N_("not known yet"),
    },
    "difference": {
        "same": N_("the same"),
        "text": N_("heard otherwise"),
        "arrow": N_("another arrow"),
        "absent": N_("no such card"),
        "unheard": N_("could not be heard"),
    },
    "gender": {"f": N_("female"), "m": N_("male"), "": N_("not known")},
    "material": {"audio": N_("recording"), "tts": N_("speech"), "text": N_("message text"), "link": N_("link")},
    "material_state": {
        "active": N_("ready"),
        "moderation": N_("being checked"),
        "rejected": N_("refused"),
        "archived": N_("archived"),
    },
    "trouble": {
        "recording_lost": N_("recordings lost"),
        "undialled": N_("calls that could not be dialled"),
        "lost": N_("answers that could not be recognised, or prompts that were not spoken"),
    },
    "who": {"robot": N_("Robot"), "subscriber": N_("Subscriber"), "system": N_("System")},
    "role": {
        "owner": N_("owner"),
        "admin": N_("administrator"),
        "manager": N_("manager"),
        "operator": N_("operator"),
        "analyst": N_("analyst"),
    },
    "role_may": {
        "admin": N_("everything, and the project itself"),
        "manager": N_("campaigns, lines, scenarios, segments"),
        "operator": N_("calls, contacts, pause and resume"),
        "analyst": N_("looks, changes nothing"),
    },
    "password": {
        "calling": N_("calling"),
        "delivered": N_("delivered"),
        "failed": N_("failed"),
        "verified": N_("verified"),
        "expired": N_("expired"),
    },
    "zone_source": {
        "field": N_("from the contact's field"),
        "registry": N_("from the numbering plan"),
        "phone": N_("from the number"),
        "segment": N_("the segment's"),
        "project": N_("the project's"),
    },
    "part": {
        "database": N_("Database"),
        "asterisk": N_("Asterisk"),
        "telephony": N_("Telephony"),
        "recogniser": N_("Speech recognition"),
        "synthesizer": N_("Voices"),
        "media": N_("Media"),
        "disk": N_("Disk"),
        "agi": N_("Call control"),
        "journal": N_("Journal"),
        "recordings": N_("Recordings"),
        "engine": N_("Engine"),
    },
    "pause": {
        "user": N_("by hand"),
        "goal_limit": N_("the limit of goals is reached"),
        "spend_limit": N_("the spending limit is reached"),
    },
    "scope": {
        "read": N_("read"),
        "write": N_("read and write"),
        "call_password": N_("call passwords"),
    },
    "field_type": {
        "string": N_("text"),
        "number": N_("number"),
        "date": N_("date"),
        "boolean": N_("yes or no"),
    },
    "ending": {"hangup": N_("the robot hung up"), "left": N_("the subscriber hung up"), "failed": N_("failed")},
    "cause": {
        "1": N_("there is no such number"),
        "16": N_("ended normally"),
        "17": N_("busy"),
        "18": N_("the telephone did not respond"),
        "19": N_("rang, nobody answered"),
        "20": N_("the telephone is off or out of reach"),
        "21": N_("rejected"),
        "22": N_("the number has changed"),
        "27": N_("the line is out of order"),
        "28": N_("the number is incomplete"),
        "31": N_("ended, no reason given"),
        "34": N_("no free channel in the network"),
        "38": N_("the network is out of order"),
        "41": N_("a temporary failure of the network"),
        "42": N_("the network is overloaded"),
        "102": N_("the network did not respond in time"),
        "127": N_("no reason given"),
    },
    "day": {
        "1": N_("Mon"),
        "2": N_("Tue"),
        "3": N_("Wed"),
        "4": N_("Thu"),
        "5": N_("Fri"),
        "6": N_("Sat"),
        "7": N_("Sun"),
    },
}

# What told who had answered: the words of engine.rules.amd, as a person says them.
EVIDENCE: tuple[tuple[str, str], ...] = (
    (r"pressed_a_key", N_("a key was pressed")),
    (r"said_what_people_say", N_("said what people say on the telephone")),
    (r"short_greeting_(?P<n>\d+)_ms", N_("a short greeting of %(n)s ms, then silence")),
    (r"spoke_on", N_("the greeting was not over")),
    (r"went_on_speaking", N_("went on speaking after a short greeting")),
    (r"speech_(?P<n>\d+)_ms", N_("has spoken for %(n)s ms without a pause")),
    (r"talkative", N_("speaks nearly all the time")),
    (r"beep_(?P<n>\d+)_hz", N_("a beep of %(n)s Hz")),
    (r"fax_calling", N_("the tone of a calling fax")),
    (r"fax_answering", N_("the tone of an answering fax")),
    (r"busy_tone", N_("the busy tone")),
    (r"congestion_tone", N_("the tone of a congested network")),
    (r"special_information", N_("the tone before an operator's announcement")),
    (r"ringback", N_("ringing")),
    (r"phrase: (?P<n>.+)", N_("said: “%(n)s”")),
)

_GOOD = {"goal", "active", "verified", "delivered", "transferred", "ready", "same", "person"}
_LIVE = {"running", "answered", "dialing", "ringing", "calling", "importing"}
_WARN = {
    *("paused", "no_answer", "busy", "congestion", "scheduled", "answering_machine", "queued", "rejected"),
    *("text", "machine", "screening", "moderation"),
}
_BAD = {
    *("failed", "blocked", "invalid_number", "opt_out", "unreachable", "expired"),
    *("arrow", "absent", "unheard", "announcement", "fax"),
}


def tone(value: object) -> str:
    """good | live | warn | bad | calm: the colour of a badge."""
    for name, values in (("good", _GOOD), ("live", _LIVE), ("warn", _WARN), ("bad", _BAD)):
        if value in values:
            return name
    return "calm"


def labels(language: str) -> Callable[[str, object], str]:
    translated = locale.words(language)

    def label(group: str, value: object) -> str:
        """The value in words; one that has none stays as it is."""
        text = LABELS[group].get(str(value))
        return translated.gettext(text) if text else str(value)

    return label


def evidence(language: str) -> Callable[[str], str]:
    translated = locale.words(language)

    def told(what: str) -> str:
        """What was found out about whoever answered, in words; what has none stays as it is."""
        for pattern, text in EVIDENCE:
            if (met := re.fullmatch(pattern, what)) is not None:
                return translated.gettext(text) % met.groupdict()
        return what

    return told
