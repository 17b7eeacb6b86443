"""
Everything that can go wrong, drawn as a tree; an error carries what its catcher decides by.

* DozvonError             its text says what to do
  - ConfigError           the settings are wrong: nothing is started
  - InputError            somebody gave us something wrong; `problems` lists all of it
  - NotFound              absent, or somebody else's
  - Conflict              the state of the thing forbids it
  - TooOften              a limit of how often; again after `wait_s`
  - NotReached            the person was not reached: `status`, Q.850 `cause`
  - SpeechError           text could not be made of speech, or speech of text
    + Overloaded          no worker was free in time
  - ChannelDown           a provider is away for now
  - StoreDown             the database is away for now
  - RecordingLost         of a call there is no recording, or a part of one
  - InstallError          something that must be on this machine cannot be had
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.model import Status


class DozvonError(Exception):
    """Base of every error raised on purpose. Its text is one sentence that says what to do."""


class ConfigError(DozvonError):
    """The settings are wrong."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with what was given. `path` is a JSON pointer into it."""

    path: str
    code: str
    message: str


class InputError(DozvonError):
    """Something given from outside is wrong."""

    def __init__(self, message: str, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class NotFound(DozvonError):
    """Absent, or another owner's."""


class Conflict(DozvonError):
    """The state forbids it."""


class TooOften(DozvonError):
    """Asked for more often than is allowed."""

    def __init__(self, message: str, wait_s: float) -> None:
        super().__init__(message)
        self.wait_s = wait_s


class NotReached(DozvonError):
    """The person was not reached."""

    def __init__(self, status: Status, cause: int = 0, detail: str = "") -> None:
        super().__init__(detail or status.value)
        self.status = status
        self.cause = cause


class SpeechError(DozvonError):
    """Speech could not be recognised or made."""


class Overloaded(SpeechError):
    """No recogniser or synthesizer was free in time."""


class ChannelDown(DozvonError):
    """A provider is away for now; what was asked was not done."""


class StoreDown(DozvonError):
    """The database is away, full or too busy for now. What was asked was not done, or, if it went away in the middle of
    a commit, may have been; ask again, the pool comes back by itself."""


class RecordingLost(DozvonError):
    """There is no recording of this call, or only a part of it: `kept`, its path under the data folder. The text says
    why."""

    def __init__(self, why: str, kept: str = "") -> None:
        super().__init__(why)
        self.kept = kept


class InstallError(DozvonError):
    """Something that must be on this machine cannot be had."""
