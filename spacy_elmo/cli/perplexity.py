"""`spacy-elmo perplexity`: how well a language model predicts a text."""

import json
import math
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    NamedTuple,
)

from rich.console import Console
from typer import Argument, Option, echo

from ..bilm.characters import CLOSING, OPENING
from ..errors import ElmoError, Errors
from ..inputs.items import InputSentence
from ..inputs.paths import Given
from ..inputs.reader import Inputs
from .command import choices
from .inputs import INPUT_HELP, LANG_HELP, PIPELINE_HELP, Format, choose_pipeline
from .lm_inputs import MODEL_HELP, check_initial_state, check_lm_output, json_lines, open_model
from .outputs import Force, is_stdout
from .progress import ProgressBar
from .threads import NThreads

if TYPE_CHECKING:
    from ..language_model.likelihood import SentenceLikelihood
    from ..language_model.vocabulary import Vocabulary

INITIAL_STATES = ("carry", "zero", "warm")

STATE_HELP = (
    "carry: the state goes on from sentence to sentence, as in bilm-tf's test; zero or warm: every sentence "
    "starts afresh."
)
BATCH_HELP = (
    "Rows of text that are read side by side, where state is carried. 1 predicts every token; more are much "
    "faster, but each starts from zeros, and all end with the row that is used up first. bilm-tf's numbers depend "
    "on its batch size, which is 256 unless told."
)
OUTPUT_HELP = "A .jsonl to write: log-probabilities of every token, natural logarithms; - prints it."


class Summary(NamedTuple):
    """forward, backward, average: perplexities, see `language_model.likelihood.Perplexity`. n_predictions: of each
    direction. unknown: share of the tokens that the vocabulary lacks; they are predicted as <UNK>."""

    forward: float
    backward: float
    average: float
    n_predictions: int
    n_sentences: int
    n_tokens: int
    unknown: float


def perplexity_cli(
    source: Annotated[Path, Argument(metavar="SOURCE", help=MODEL_HELP)],
    texts: Annotated[list[Path], Argument(metavar="TEXT", help=INPUT_HELP)],
    format: Format = None,
    lang: Annotated[str | None, Option(metavar="LANG", help=LANG_HELP)] = None,
    pipeline: Annotated[str | None, Option(metavar="NAME", help=PIPELINE_HELP)] = None,
    initial_state: Annotated[str, Option(help=STATE_HELP, **choices(INITIAL_STATES))] = "carry",
    batch_size: Annotated[int, Option(min=1, metavar="N", help=BATCH_HELP)] = 1,
    output: Annotated[Path | None, Option("--output", "-o", metavar="FILE", help=OUTPUT_HELP)] = None,
    device: Annotated[str, Option(metavar="DEVICE", help="Where torch runs it, such as cpu or cuda.")] = "cpu",
    n_threads: NThreads = None,
    as_json: Annotated[bool, Option("--json", help="Print JSON.")] = False,
    force: Force = False,
    quiet: Annotated[bool, Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Measure the perplexity of a text, forward, backward and as bilm-tf averages the two.

    Sentences without tokens are left out. The sentence marks are predicted too: </S> forward, <S> backward.
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
    text = json.dumps(found._asdict(), indent=2) if as_json else _as_text(found)
    echo(text, err=output is not None and is_stdout(output))


def perplexity(
    source: Any,
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
    """Perplexities of a text, of one file or several.

    texts, format: see `Inputs`; lang, pipeline: see `choose_pipeline`. n_threads: see `Settings`.
    batch_size: rows, with initial_state "carry".
    output: a file of JSON lines, one a token: number of its sentence in the text, from 0 up, the token, its
        log-probability by either direction (null: not predicted), and whether the vocabulary has it. "-":
        standard output. force: replace a file that is there.
    report: called with the share of the text that is done and the tokens so far.
    RAISES (FileNotFoundError, ElmoError): For a source, text or setting that will not do; as `check_output`.
    """
    check_initial_state(initial_state, INITIAL_STATES)
    if batch_size < 1:
        raise ElmoError(Errors.EL038.format(name="batch_size", low=1, got=batch_size))
    from ..inference.settings import check_threads
    from ..language_model.corpus import Corpus
    from ..language_model.likelihood import Perplexity, iter_carried, iter_fresh
    from ..language_model.word_types import encode_types
    from ..runtime.processors import torch_threads

    check_threads(n_threads)
    chosen = choose_pipeline(lang=lang, pipeline=pipeline, format=format)
    inputs = Inputs(texts, format=format, pipeline=chosen)
    check_lm_output(output, inputs.paths, source, force=force)
    model, vocabulary, state, where = open_model(
        source, initial_state=initial_state, device=device, n_threads=n_threads
    )
    numbers = array("q")
    inputs.check()
    corpus = Corpus.from_sentences(_with_tokens(inputs.read(), numbers))
    if not numbers:
        raise ElmoError(Errors.EL071.format(path=inputs.shown))
    types = encode_types(corpus.types, model.bilm.options, vocabulary)
    if initial_state == "carry":
        likelihoods = iter_carried(model, corpus, types, n_rows=batch_size)
    else:
        likelihoods = iter_fresh(model, corpus, types, state=state)

    def written(write: Callable[[Any], None]) -> "Iterator[SentenceLikelihood]":
        for k, likelihood in enumerate(likelihoods):
            tokens = [corpus.types[place] for place in corpus.sentence(k)]
            for record in _records(numbers[k], tokens, likelihood, vocabulary):
                write(record)
            yield likelihood
            report((k + 1) / len(numbers), int(corpus.ends[k]))

    with json_lines(output) as write, torch_threads(n_threads, next(model.parameters()).device):
        found = Perplexity.from_likelihoods(written(write))
        if not found.n_predictions:
            raise ElmoError(Errors.EL094.format(source=where))
    known = [word in vocabulary for word in corpus.types]
    unknown = 1 - float(corpus.count_types()[known].sum()) / corpus.n_tokens
    return Summary(
        found.forward, found.backward, found.average, found.n_predictions, len(corpus), corpus.n_tokens, unknown
    )


def _with_tokens(sentences: Iterable[InputSentence], numbers: "array[int]") -> Iterator[list[str]]:
    """The sentences that have tokens; their numbers among all are put into `numbers`."""
    for number, sentence in enumerate(sentences):
        if tokens := sentence.visible:
            numbers.append(number)
            yield tokens


def _records(
    number: int, tokens: list[str], likelihood: "SentenceLikelihood", vocabulary: "Vocabulary"
) -> Iterator[dict[str, Any]]:
    # Each direction predicts one of the marks, and starts from the other.
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


def _as_text(found: Summary) -> str:
    rows = [
        ("perplexity", f"{found.average:.4f} (forward {found.forward:.4f}, backward {found.backward:.4f})"),
        ("predictions", f"{found.n_predictions:,} in each direction"),
        ("text", f"{found.n_tokens:,} tokens in {found.n_sentences:,} sentences"),
        ("not in the vocabulary", f"{found.unknown:.2%} of the tokens"),
    ]
    return "\n".join(f"{name:<26}{value}" for name, value in rows)
