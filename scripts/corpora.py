"""The text that the spaCy project trains on: UD English EWT and WNUT17, from local copies or from downloads.

`python scripts/corpora.py --local FOLDER --downloads FOLDER --output FOLDER`. WNUT17 is cleaned. What is written
has the SHA-256 below, or nothing is: weasel knows MD5 alone, and goes on where it does not match.
"""

import argparse
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

SEPARATOR = "\n\n"


@dataclass(frozen=True)
class Text:
    """name: of the file that is written. local, download: where it is in either folder. sha256: of the whole text,
    as it is written."""

    name: str
    local: str
    download: str
    sha256: str


TEXTS = (
    Text(
        "ewt-train.conllu",
        "ud_ewt/en_ewt-ud-train.conllu",
        "ud_ewt/en_ewt-ud-train.conllu",
        "3fb78e2b55482c8ee00caa653af436c88c9e5bc9a73ce26e4ae3ddc79d2b7e7b",
    ),
    Text(
        "ewt-dev.conllu",
        "ud_ewt/en_ewt-ud-dev.conllu",
        "ud_ewt/en_ewt-ud-dev.conllu",
        "531a54ff90d6ab12201c5a50c3e78e6ddac4de69abc4bce5d275d3cd29efe2b6",
    ),
    Text(
        "ewt-test.conllu",
        "ud_ewt/en_ewt-ud-test.conllu",
        "ud_ewt/en_ewt-ud-test.conllu",
        "e266e515a0a7547657ed3d90d9ba46487d6bd251f27ad4269d4e8a427c8555cd",
    ),
    Text(
        "wnut17-train.conll",
        "wnut17/train.conll",
        "wnut17/wnut17train.conll",
        "707d8fbadf7ab186e7998fdcbea41470d25d0a453049f531d0c8d0c810a8d8cb",
    ),
    Text(
        "wnut17-dev.conll",
        "wnut17/dev.conll",
        "wnut17/emerging.dev.conll",
        "6025baf0006eb50f41a143a50aa0627393077009713a243b59de98213799a3bc",
    ),
    Text(
        "wnut17-test.conll",
        "wnut17/test.conll",
        "wnut17/emerging.test.annotated",
        "2aa79b764e56ec9264a1b30fdd9b70195bd00ff400b62edd8f399d5f13c178f0",
    ),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--local", type=Path, required=True, help="local copies, which go before downloads")
    parser.add_argument("--downloads", type=Path, required=True, help="what `spacy project assets` has fetched")
    parser.add_argument("--output", type=Path, required=True, help="the folder to write")
    parser.add_argument("--sentences", type=int, help="write the first ones of each text only")
    arguments = parser.parse_args()
    write_texts(
        TEXTS,
        local=arguments.local,
        downloads=arguments.downloads,
        output=arguments.output,
        sentences=arguments.sentences,
    )


def write_texts(
    texts: Iterable[Text], *, local: Path, downloads: Path, output: Path, sentences: int | None = None
) -> None:
    """Write all texts, once all have been found to be the right ones.

    sentences: how many of each, from the first; None: all.
    RAISES: SystemExit, with what to do, for a text that is missing or another one.
    """
    found = {text.name: read_text(text, local=local, downloads=downloads) for text in texts}
    output.mkdir(parents=True, exist_ok=True)
    for name, content in found.items():
        if sentences is not None:
            content = SEPARATOR.join(content.split(SEPARATOR)[:sentences]) + SEPARATOR
        (output / name).write_text(content, "utf-8", newline="\n")


def read_text(text: Text, *, local: Path, downloads: Path) -> str:
    """A text, cleaned and verified."""
    places = [local / text.local, downloads / text.download]
    path = next((path for path in places if path.is_file()), None)
    if path is None:
        raise SystemExit(
            f"There is neither {places[0]} nor {places[1]}. Fetch the text: python -m spacy project assets. "
            "Or say where copies are: --vars.corpora FOLDER"
        )
    content = path.read_bytes().decode("utf-8")
    if path.suffix != ".conllu":
        content = cleaned(content)
    got = hashlib.sha256(content.encode("utf-8")).hexdigest()
    if got != text.sha256:
        raise SystemExit(
            f"{path} is another text than the one that results are told for: the SHA-256 of {text.name} would be "
            f"{got}, not {text.sha256}. Remove it, and fetch it again: python -m spacy project assets"
        )
    return content


def cleaned(content: str) -> str:
    """WNUT17 with an empty line after every sentence, where some have a line of blanks, and without the two
    characters of no width that are in its tokens."""
    content = re.sub("[\u200b\ufeff]", "", content.replace("\r\n", "\n"))
    sentences = re.split(r"\n(?:[ \t]*\n)+", content.strip("\n"))
    return "".join(sentence.rstrip() + SEPARATOR for sentence in sentences)


if __name__ == "__main__":
    main()
