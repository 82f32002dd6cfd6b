"""Every language that reports are written in, by its tag."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from twistedmail_mta.queue.texts.english import ENGLISH
from twistedmail_mta.queue.texts.form import Texts
from twistedmail_mta.queue.texts.french import FRENCH
from twistedmail_mta.queue.texts.german import GERMAN
from twistedmail_mta.queue.texts.portuguese import PORTUGUESE
from twistedmail_mta.queue.texts.spanish import SPANISH

LANGUAGES: Final[Mapping[str, Texts]] = {
    "en": ENGLISH,
    "pt": PORTUGUESE,
    "es": SPANISH,
    "de": GERMAN,
    "fr": FRENCH,
}
