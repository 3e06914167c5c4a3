"""What is known of the text that a model was trained on: the catalogue says it, of the published models alone."""

import os
from pathlib import Path

from .catalogue import CATALOGUE
from .catalogue.entry import Domain, Entry
from .catalogue.languages import LANGUAGES
from .fetch.places import find_places

# Domains whose English is like that of novels and speeches.
_ORDINARY: tuple[Domain, ...] = ("general", "web", "news")


def find_entry(source: str) -> Entry | None:
    """Find the catalogue's entry of a model that was read.

    The file's place decides: a published model is in its folder of the user's cache, whether it was named by its
    name, an alias, an address or this folder. A copy elsewhere may have been changed, and its name says nothing.

    source (str): The `source` of weights or of an Elmo.
    RETURNS (Entry | None): The entry; None if nothing is known of the model.
    """
    path = Path(os.path.realpath(source))
    for entry in CATALOGUE.values():
        # A folder of the cache may be a link to another disk.
        if path.is_relative_to(os.path.realpath(find_places(entry).folder)):
            return entry
    return None


def is_ordinary_english(entry: Entry) -> bool:
    """Check whether English prose is what a model was trained on.

    entry (Entry): The model.
    RETURNS (bool): Whether it is.
    """
    return entry.language == "en" and entry.domain in _ORDINARY


def describe_text(entry: Entry) -> str:
    """Describe the text that a model was trained on, for messages.

    entry (Entry): The model.
    RETURNS (str): Its language, and the domain if that is a special one.
    """
    if entry.language is None:
        return f"data of the domain '{entry.domain}'"
    text = f"{LANGUAGES.get(entry.language, repr(entry.language))} text"
    return text if entry.domain == "general" else f"{text} of the domain '{entry.domain}'"
