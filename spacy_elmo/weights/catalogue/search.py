"""Search the published models by language, domain and words."""

import re
from collections.abc import Iterable
from typing import get_args

from ...errors import ElmoError, Errors
from .entry import Domain, Entry
from .languages import LANGUAGES

# Letters of a part of a word.
_LEAST_PART = 3
# Other English names of languages.
_OTHER_NAMES = {"farsi": "fa", "slovenian": "sl", "uighur": "ug", "mandarin": "zh"}


def search(
    entries: Iterable[Entry], *, lang: str | None = None, domain: str | None = None, text: str | None = None
) -> list[Entry]:
    """Select models.

    entries (Iterable[Entry]): The models.
    lang (str | None): The code or English name of a language; None for all, and for models of no language.
    domain (str | None): A domain; None for all.
    text (str | None): Words that must all occur in what is known of a model; None for no such condition.
    RETURNS (list[Entry]): The models that fulfil all conditions, in the same order.
    RAISES (ElmoError): If no model has that language or domain, or none fulfils all conditions.
    """
    found = list(entries)
    if lang is not None:
        codes = find_languages(lang)
        found = [entry for entry in found if entry.language in codes]
    if domain is not None:
        wanted = domain.strip().lower()
        if wanted not in get_args(Domain):
            raise ElmoError(Errors.EL323.format(got=repr(domain), allowed=", ".join(get_args(Domain))))
        found = [entry for entry in found if entry.domain == wanted]
    if text is not None:
        words = [_compile(word) for word in text.lower().split()]
        found = [entry for entry in found if all(word.search(_words(entry)) for word in words)]
    if not found:
        given = {"--lang": lang, "--domain": domain, "--search": text}
        shown = " ".join(f"{option} {value!r}" for option, value in given.items() if value is not None)
        raise ElmoError(Errors.EL324.format(given=shown))
    return found


def _compile(word: str) -> re.Pattern[str]:
    """Compile what finds a word, or a part of one. Short ones stand at its start: lm is in every elmo."""
    start = r"(?<![^\W_])" if len(word) < _LEAST_PART else ""
    return re.compile(start + re.escape(word))


def _words(entry: Entry) -> str:
    language = LANGUAGES[entry.language] if entry.language is not None else ""
    parts = (entry.name, *entry.aliases, language, entry.domain, entry.maker, entry.note)
    return " ".join(parts).lower()


def find_languages(text: str) -> set[str]:
    """Find languages by what a user calls them.

    text (str): A code, an English name, or a word of one: Norwegian is also that of Bokmål.
    RETURNS (set[str]): The codes of the languages.
    RAISES (ElmoError): If there is none.
    """
    wanted = text.strip().lower()
    if wanted in LANGUAGES:
        return {wanted}
    names = {code: name.lower() for code, name in LANGUAGES.items()}
    found = {code for code, name in names.items() if wanted == name or wanted in name.split()}
    found |= {code for name, code in _OTHER_NAMES.items() if wanted == name}
    if not found:
        allowed = ", ".join(f"{code} {name}" for code, name in LANGUAGES.items())
        raise ElmoError(Errors.EL322.format(got=repr(text), allowed=allowed))
    return found
