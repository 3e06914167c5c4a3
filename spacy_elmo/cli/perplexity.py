"""`spacy-elmo perplexity`: measures how well a language model predicts a text."""

import json
import math
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

from rich.console import Console
from typer import Argument, Option, echo

from ..bilm.characters import CLOSING, OPENING
from ..bilm.fields import Json
from ..errors import ElmoError, Errors
from ..inputs.items import InputSentence
from ..inputs.paths import Given
from ..inputs.reader import Inputs
from ..weights.source import Source
from .lm_inputs import MODEL_HELP, check_initial_state, check_lm_output, open_model, write_json_lines
from .options import (
    INPUT_HELP,
    LANG_HELP,
    PIPELINE_HELP,
    Device,
    Force,
    Format,
    NThreads,
    choices,
    choose_pipeline,
)
from .outputs import is_stdout
from .progress import ProgressBar

if TYPE_CHECKING:
    from ..language_model.likelihood import SentenceLikelihood
    from ..language_model.vocabulary import Vocabulary

INITIAL_STATES = ("carry", "zero", "warm")

STATE_HELP = (
    "carry: each sentence starts from the state after the previous one, as in bilm-tf's test; zero: from zeros; "
    "warm: from the state that `spacy-elmo warm` stores with a model."
)
BATCH_HELP = (
    "Rows of text that are read in parallel, with --initial-state carry. 1 predicts every token; more rows are "
    "much faster, but each starts from zeros, and all end when the first one does. In bilm-tf, results depend on "
    "the batch size, 256 by default."
)
OUTPUT_HELP = "Write natural log-probabilities of every token to this .jsonl (- prints them)."


class Summary(NamedTuple):
    """The perplexity of a text.

    forward (float): The perplexity of the forward direction.
    backward (float): That of the backward direction.
    average (float): Both, averaged as in bilm-tf.
    n_predictions (int): Predictions of each direction.
    n_sentences (int): Sentences with tokens.
    n_tokens (int): Tokens.
    unknown (float): The share of tokens that are not in the vocabulary; they are predicted as <UNK>.
    """

    forward: float
    backward: float
    average: float
    n_predictions: int
    n_sentences: int
    n_tokens: int
    unknown: float


def perplexity_cli(
    source: Annotated[str, Argument(metavar="SOURCE", help=MODEL_HELP)],
    texts: Annotated[list[Path], Argument(metavar="TEXT", help=INPUT_HELP)],
    format: Format = None,
    lang: Annotated[str | None, Option(metavar="LANG", help=LANG_HELP)] = None,
    pipeline: Annotated[str | None, Option(metavar="NAME", help=PIPELINE_HELP)] = None,
    initial_state: Annotated[str, Option(help=STATE_HELP, **choices(INITIAL_STATES))] = "carry",
    batch_size: Annotated[int, Option(min=1, metavar="N", help=BATCH_HELP)] = 1,
    output: Annotated[Path | None, Option("--output", "-o", metavar="FILE", help=OUTPUT_HELP)] = None,
    device: Device = "cpu",
    n_threads: NThreads = None,
    as_json: Annotated[bool, Option("--json", help="Print JSON.")] = False,
    force: Force = False,
    quiet: Annotated[bool, Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Measure the perplexity of a text, forward, backward and as bilm-tf averages the two.

    Sentences without tokens are left out. Boundary tokens are predicted too: </S> forward, <S> backward.
    """
    with ProgressBar(Console(stderr=True, quiet=quiet), what="predicting") as progress:
        found = perplexity(
            source,
            texts,
            format=format,
            lang=lang,
            pipeline=pipeline,
            initial_state=initial_state,
            batch_size=batch_size,
            output=output,
            device=device,
            n_threads=n_threads,
            force=force,
            report=progress,
        )
    text = json.dumps(found._asdict(), indent=2) if as_json else _format_summary(found)
    echo(text, err=output is not None and is_stdout(output))


def perplexity(
    source: Source,
    texts: Given | Sequence[Given],
    *,
    format: str | None = None,
    lang: str | None = None,
    pipeline: str | None = None,
    initial_state: str = "carry",
    batch_size: int = 1,
    output: Path | None = None,
    device: str = "cpu",
    n_threads: int | None = None,
    force: bool = True,
    report: Callable[[float, int], None] = lambda done, n_tokens: None,
) -> Summary:
    """Measure the perplexity of a text, in one file or several.

    source (Source): The language model, or the folder of a pre-training run.
    texts (Given | Sequence[Given]): The text, as for `Inputs`.
    format (str | None): The format of the text; None: by the names of the files.
    lang (str | None): As for `choose_pipeline`.
    pipeline (str | None): As for `choose_pipeline`.
    initial_state (str): "carry", "zero" or "warm".
    batch_size (int): Rows that are read in parallel, with initial_state "carry".
    output (Path | None): A file of JSON lines, one per token: the number of its sentence from 0 up, the token, its
        log-probability in each direction (null: not predicted), and whether the vocabulary has it. "-": standard
        output.
    device (str): The torch device.
    n_threads (int | None): As for `spacy_elmo.load`.
    force (bool): Whether to replace an existing file.
    report (Callable[[float, int], None]): Called with the share of the text that is done and the tokens so far.
    RETURNS (Summary): The perplexity.
    RAISES (FileNotFoundError, ElmoError): For an unsuitable source, text or setting; and as `check_output`.
    """
    check_initial_state(initial_state, INITIAL_STATES)
    if batch_size < 1:
        raise ElmoError(Errors.EL038.format(name="batch_size", low=1, got=batch_size))
    from ..inference.settings import check_count
    from ..language_model.corpus import Corpus
    from ..language_model.likelihood import Perplexity, iter_carried, iter_fresh
    from ..language_model.word_types import encode_types
    from ..runtime.processors import torch_threads

    check_count("n_threads", n_threads)
    chosen = choose_pipeline(lang=lang, pipeline=pipeline, format=format)
    inputs = Inputs(texts, format=format, pipeline=chosen)
    check_lm_output(output, inputs.paths, source, force=force)
    model, vocabulary, state, where = open_model(
        source, initial_state=initial_state, device=device, n_threads=n_threads
    )
    numbers = array("q")
    inputs.check()
    corpus = Corpus.from_sentences(_skip_empty(inputs.read(), numbers))
    if not numbers:
        raise ElmoError(Errors.EL071.format(path=inputs.shown))
    types = encode_types(corpus.types, model.bilm.options, vocabulary)
    if initial_state == "carry":
        likelihoods = iter_carried(model, corpus, types, n_rows=batch_size)
    else:
        likelihoods = iter_fresh(model, corpus, types, state=state)

    def write_each(write: Callable[[object], None]) -> "Iterator[SentenceLikelihood]":
        for k, likelihood in enumerate(likelihoods):
            tokens = [corpus.types[place] for place in corpus.sentence(k)]
            for record in _make_records(numbers[k], tokens, likelihood, vocabulary):
                write(record)
            yield likelihood
            report((k + 1) / len(numbers), int(corpus.ends[k]))

    with write_json_lines(output) as write, torch_threads(n_threads, next(model.parameters()).device):
        found = Perplexity.from_likelihoods(write_each(write))
        if not found.n_predictions:
            raise ElmoError(Errors.EL094.format(source=where))
    known = [word in vocabulary for word in corpus.types]
    unknown = 1 - float(corpus.count_types()[known].sum()) / corpus.n_tokens
    return Summary(
        found.forward, found.backward, found.average, found.n_predictions, len(corpus), corpus.n_tokens, unknown
    )


def _skip_empty(sentences: Iterable[InputSentence], numbers: "array[int]") -> Iterator[list[str]]:
    """Skip sentences without tokens, and add the numbers of the others to `numbers`."""
    for number, sentence in enumerate(sentences):
        if tokens := sentence.visible:
            numbers.append(number)
            yield tokens


def _make_records(
    number: int, tokens: list[str], likelihood: "SentenceLikelihood", vocabulary: "Vocabulary"
) -> Iterator[Json]:
    # Each direction starts from one boundary token, and predicts the other.
    forward = [math.nan, *likelihood.forward.tolist()]
    backward = [*likelihood.backward.tolist(), math.nan]
    for token, one, other in zip([OPENING, *tokens, CLOSING], forward, backward):
        yield {
            "sentence": number,
            "token": token,
            "forward": None if math.isnan(one) else round(one, 6),
            "backward": None if math.isnan(other) else round(other, 6),
            "known": token in vocabulary,
        }


def _format_summary(found: Summary) -> str:
    rows = [
        ("perplexity", f"{found.average:.4f} (forward {found.forward:.4f}, backward {found.backward:.4f})"),
        ("predictions", f"{found.n_predictions:,} in each direction"),
        ("text", f"{found.n_tokens:,} tokens in {found.n_sentences:,} sentences"),
        ("not in the vocabulary", f"{found.unknown:.2%} of the tokens"),
    ]
    return "\n".join(f"{name:<26}{value}" for name, value in rows)
