"""`python -m benchmarks.senses`: how often a word is most like itself in the same sense.

Of nine words with two senses each, in 52 sentences that were written for it (`senses.tsv`). An occurrence counts
where, of the word's other occurrences, the one with the highest cosine has the same sense.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NamedTuple, cast

import typer
from rich.console import Console
from rich.table import Table

import spacy_elmo
from spacy_elmo.cli.demo import Place, Vectors, rank_neighbours

SENTENCES = Path(__file__).parent / "senses.tsv"


class Use(NamedTuple):
    """A word in a sentence, in one of its senses."""

    word: str
    sense: str
    tokens: list[str]


def main(
    source: Annotated[str, typer.Option(help="The model.")] = "en_sm",
    initial_states: Annotated[str, typer.Option(help="Some of zero,warm.")] = "zero,warm",
) -> None:
    """Count each word's occurrences that are nearest to one in the same sense, for every layer."""
    uses = read_uses()
    for state in initial_states.split(","):
        elmo = spacy_elmo.load(source, initial_state=cast(spacy_elmo.InitialState, state))
        outputs = elmo.embed([use.tokens for use in uses])
        words = list(dict.fromkeys(use.word for use in uses))
        table = Table(title=f"{source}, {state}: nearest in the same sense")
        for column in ("layer", *words, "all"):
            table.add_column(column)
        for layer in elmo.layer_names[1:]:
            right = count(uses, [getattr(output, layer) for output in outputs])
            cells = [f"{right[word]} of {sum(use.word == word for use in uses)}" for word in words]
            table.add_row(layer, *cells, f"{sum(right.values())} of {len(uses)}")
        Console(width=130).print(table)


def read_uses() -> list[Use]:
    lines = SENTENCES.read_text("utf-8").splitlines()
    return [Use(word, sense, text.split()) for word, sense, text in (line.split("\t") for line in lines)]


def count(uses: Sequence[Use], vectors: Vectors) -> dict[str, int]:
    """By word, the uses that are nearest to one in the same sense. vectors: by sentence, (n_tokens, width)."""
    sentences = [use.tokens for use in uses]
    right: dict[str, int] = {}
    for number, use in enumerate(uses):
        others = {Place(i, u.tokens.index(u.word)): u for i, u in enumerate(uses) if u.word == use.word}
        found = rank_neighbours(sentences, vectors, Place(number, use.tokens.index(use.word)))
        nearest = next(others[near.place] for near in found if near.place in others)
        right[use.word] = right.get(use.word, 0) + (nearest.sense == use.sense)
    return right


if __name__ == "__main__":
    typer.run(main)
