"""`spacy-elmo vocab`: the words of a text, the most frequent first, as bilm-tf's vocab.txt has them."""

from pathlib import Path
from typing import Annotated, List, NamedTuple, Optional, Sequence

import typer
from typer import Argument, Option

from .embed import check_output
from .outputs import Force, check_new_file


class Summary(NamedTuple):
    """n_words: in the vocabulary, the three special ones with them. n_types: distinct tokens of the text.
    unknown: share of the text's tokens that the vocabulary lacks."""

    n_words: int
    n_types: int
    n_tokens: int
    unknown: float


def vocab_cli(
    texts: Annotated[List[Path], Argument(metavar="TEXT...", help="Text files, as for pretrain.")],
    output: Annotated[Path, Option("--output", "-o", help="The vocab.txt to write.")],
    pipeline: Annotated[str, Option(help="blank:LANG, or a pipeline that splits the text.")] = "blank:en",
    min_count: Annotated[int, Option(min=1, help="Leave out words that occur less often.")] = 1,
    max_size: Annotated[Optional[int], Option(min=4, help="Most words, the special ones with them.")] = None,
    force: Force = False,
) -> None:
    """Write the vocabulary of text files."""
    check_new_file(output, force=force)
    made = vocab(texts, output, pipeline=pipeline, min_count=min_count, max_size=max_size)
    typer.echo(
        f"Wrote {made.n_words:,} words to {output}. The text has {made.n_tokens:,} tokens of {made.n_types:,} "
        f"types; {made.unknown:.3%} of the tokens are not in the vocabulary.",
        err=True,
    )


def vocab(
    texts: Sequence[Path],
    output: Path,
    *,
    pipeline: str = "blank:en",
    min_count: int = 1,
    max_size: Optional[int] = None,
) -> Summary:
    """Count the tokens of text files, and write a vocab.txt.

    RAISES: as `pretraining.text.read_texts` and `pretraining.tokens.load_pipeline`; ValueError if there is no
        token; ValueError or FileNotFoundError for an output that will not do.
    """
    from collections import Counter

    from ..errors import Errors
    from ..pretraining.tokens import load_pipeline, read_tokens
    from ..pretraining.vocabulary import Vocabulary

    check_output(output, [path for path in texts if path.is_file()])
    counts: Counter[str] = Counter()
    for sentence in read_tokens(texts, load_pipeline(pipeline)):
        counts.update(sentence)
    if not counts:
        raise ValueError(Errors.EL071.format(path=output))
    words = Vocabulary.from_counts(list(counts), list(counts.values()), min_count=min_count, max_size=max_size)
    words.write(output)
    n_tokens = counts.total()
    unknown = sum(count for word, count in counts.items() if word not in words)
    return Summary(len(words), len(counts), n_tokens, unknown / n_tokens)
