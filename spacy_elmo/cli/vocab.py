"""`spacy-elmo vocab`: writes the vocabulary of a text, as bilm-tf's vocab.txt."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from typer import Argument, Option

from ..inputs.paths import Given
from ..inputs.reader import CORPUS_PIPELINE, Inputs
from .options import INPUT_HELP, LANG_HELP, Force, Format, choose_pipeline
from .outputs import check_output, is_stdout

VOCAB_PIPELINE_HELP = f"Split raw text with blank:LANG, or with a spaCy pipeline. Default: {CORPUS_PIPELINE}."


class Summary(NamedTuple):
    """The size of a vocabulary and of its text.

    n_words (int): Words in the vocabulary, including the three special ones.
    n_types (int): Distinct tokens of the text.
    n_tokens (int): Tokens of the text.
    unknown (float): The share of tokens that are not in the vocabulary.
    """

    n_words: int
    n_types: int
    n_tokens: int
    unknown: float


def vocab_cli(
    texts: Annotated[list[Path], Argument(metavar="TEXT", help=INPUT_HELP)],
    output: Annotated[
        Path, Option("--output", "-o", metavar="FILE", help="The vocab.txt to write (- prints it).")
    ],
    format: Format = None,
    lang: Annotated[str | None, Option(metavar="LANG", help=LANG_HELP)] = None,
    pipeline: Annotated[str | None, Option(metavar="NAME", help=VOCAB_PIPELINE_HELP)] = None,
    min_count: Annotated[int, Option(min=1, metavar="N", help="Leave out words that occur less often.")] = 1,
    max_size: Annotated[
        int | None, Option(min=4, metavar="N", help="Maximum number of words, including the special ones.")
    ] = None,
    force: Force = False,
) -> None:
    """Write the vocabulary of text files."""
    made = vocab(
        texts,
        output,
        format=format,
        lang=lang,
        pipeline=pipeline,
        min_count=min_count,
        max_size=max_size,
        force=force,
    )
    typer.echo(
        f"Wrote {made.n_words:,} words to {output}. The text has {made.n_tokens:,} tokens of {made.n_types:,} "
        f"types; {made.unknown:.3%} of the tokens are not in the vocabulary.",
        err=True,
    )


def vocab(
    texts: Given | Sequence[Given],
    output: Path,
    *,
    format: str | None = None,
    lang: str | None = None,
    pipeline: str | None = None,
    min_count: int = 1,
    max_size: int | None = None,
    force: bool = True,
) -> Summary:
    """Count the tokens of text files, and write a vocab.txt.

    texts (Given | Sequence[Given]): The text, as for `Inputs`; raw text is split by `CORPUS_PIPELINE` by default.
    output (Path): The file to write; "-" prints it.
    format (str | None): The format of the text; None: by the names of the files.
    lang (str | None): As for `choose_pipeline`.
    pipeline (str | None): As for `choose_pipeline`.
    min_count (int): The smallest number of occurrences of a word.
    max_size (int | None): The largest number of words, including the three special ones.
    force (bool): Whether to replace an existing file that is not a vocabulary.
    RETURNS (Summary): The size of the vocabulary and of the text.
    RAISES (FileNotFoundError, ElmoError): For an unsuitable text or pipeline, or a text without tokens; and as
        `check_output`.
    """
    from collections import Counter

    from ..errors import ElmoError, Errors
    from ..language_model.vocabulary import Vocabulary
    from ..language_model.vocabulary_files import has_vocabulary_header

    chosen = choose_pipeline(lang=lang, pipeline=pipeline, format=format)
    inputs = Inputs(texts, format=format, pipeline=CORPUS_PIPELINE if chosen is None else chosen)
    if not is_stdout(output):
        # A vocabulary is quickly written again; any other file may be the text itself.
        check_output(output, inputs.paths, force=force or has_vocabulary_header(output))
    counts: Counter[str] = Counter()
    for sentence in inputs.read():
        counts.update(sentence.visible)
    if not counts:
        raise ElmoError(Errors.EL071.format(path=output))
    words = Vocabulary.from_counts(list(counts), list(counts.values()), min_count=min_count, max_size=max_size)
    if is_stdout(output):
        typer.echo(words.to_text(), nl=False)
    else:
        words.write(output)
    n_tokens = counts.total()
    unknown = sum(count for word, count in counts.items() if word not in words)
    return Summary(len(words), len(counts), n_tokens, unknown / n_tokens)
