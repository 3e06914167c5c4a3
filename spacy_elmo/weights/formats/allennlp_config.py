"""What AllenNLP's config.json tells about the ELMo in a model, and where the options are that it names."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ...bilm.options import OPTIONS_NAME

EMBEDDER = "elmo_token_embedder"
OPTIONS_FILE = "options_file"
# Where archives have copies of files that the configuration names, called by their places in it; AllenNLP 1.0
# and later make none (allennlp/models/archival.py).
COPIES = "fta"


class Section(NamedTuple):
    """The part of a configuration that describes an ELMo. place: its keys, from the top. fields: what it says."""

    place: tuple[str, ...] = ()
    fields: Mapping[str, Any] = {}

    @property
    def options_file(self) -> str:
        """A path or an address, as given; "" if there is none."""
        given = self.fields.get(OPTIONS_FILE)
        return given if isinstance(given, str) else ""

    @property
    def options_name(self) -> str:
        """The last part, of a path of any system."""
        return self.options_file.replace("\\", "/").split("/")[-1]


def section_of(config: Any, prefix: str) -> Section:
    """The section of the ELMo whose parameters' names begin so; without fields if there is none."""
    sections = list(_sections(config))
    # The name of an embedder in the configuration is part of the names of its parameters.
    named = [section for section in sections if f"token_embedder_{section.place[-1]}." in prefix]
    return next(iter(named or sections), Section())


def find_options(section: Section, config_path: Path) -> Path | None:
    """The options that a section names, as copied into the archive or beside the configuration. Where they were
    when the model was trained is not looked at: an archive has no business with other files of this computer."""
    folder = config_path.parent
    copies = sorted(folder.glob(f"{COPIES}/*{OPTIONS_FILE}"))
    own = ".".join((*section.place, OPTIONS_FILE))
    copies.sort(key=lambda path: path.name != own)
    beside = [folder / name for name in (section.options_name, OPTIONS_NAME) if name]
    found = (path for path in [*copies, *beside] if path != config_path and os.path.isfile(path))
    return next(found, None)


def _sections(config: Any) -> Iterator[Section]:
    waiting: list[tuple[tuple[str, ...], Any]] = [((), config)]
    while waiting:
        place, part = waiting.pop()
        fields = dict(enumerate(part)) if isinstance(part, list) else part
        if not isinstance(fields, dict):
            continue
        if place and (OPTIONS_FILE in fields or fields.get("type") == EMBEDDER):
            yield Section(place, fields)
        waiting += [((*place, str(key)), value) for key, value in reversed(fields.items())]
