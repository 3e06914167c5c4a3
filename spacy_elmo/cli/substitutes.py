"""`spacy-elmo substitutes`: lists the words that a language model predicts in place of each token."""

from collections.abc import Callable, Iterator, Sequence
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from rich.console import Console
from typer import Argument, Option, echo

from ..errors import ElmoError, Errors, printable
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

if TYPE_CHECKING:
    from ..language_model.substitutes import Ranked, Substitutes

INITIAL_STATES = ("zero", "warm")
LISTS = ("forward", "backward", "both")

OUTPUT_HELP = "Write one JSON object per token to this .jsonl (- prints them), instead of readable text."
STATE_HELP = (
    "The LSTM state at the start of each sentence: zeros, or the one that `spacy-elmo warm` stores with a model."
)


def substitutes_cli(
    source: Annotated[str, Argument(metavar="SOURCE", help=MODEL_HELP)],
    texts: Annotated[list[Path], Argument(metavar="TEXT", help=INPUT_HELP)],
    n: Annotated[int, Option("--number", "-n", min=1, metavar="N", help="Number of words in each list.")] = 10,
    format: Format = None,
    lang: Annotated[str | None, Option(metavar="LANG", help=LANG_HELP)] = None,
    pipeline: Annotated[str | None, Option(metavar="NAME", help=PIPELINE_HELP)] = None,
    initial_state: Annotated[str, Option(help=STATE_HELP, **choices(INITIAL_STATES))] = "zero",
    output: Annotated[Path | None, Option("--output", "-o", metavar="FILE", help=OUTPUT_HELP)] = None,
    device: Device = "cpu",
    n_threads: NThreads = None,
    force: Force = False,
    quiet: Annotated[bool, Option("--quiet", "-q", help="No summary.")] = False,
) -> None:
    """List the most probable words in place of each token.

    forward: given the words before it; backward: given those after it; both: by the sum of both log-probabilities.
    """
    count = substitutes(
        source,
        texts,
        n,
        format=format,
        lang=lang,
        pipeline=pipeline,
        initial_state=initial_state,
        output=output,
        device=device,
        n_threads=n_threads,
        force=force,
        show=echo if output is None else lambda line: None,
    )
    if output is not None and not is_stdout(output):
        message = f"Wrote the substitutes of {count:,} tokens to {output}"
        Console(stderr=True, quiet=quiet).print(message, markup=False, highlight=False, soft_wrap=True)


def substitutes(
    source: Source,
    texts: Given | Sequence[Given],
    n: int = 10,
    *,
    format: str | None = None,
    lang: str | None = None,
    pipeline: str | None = None,
    initial_state: str = "zero",
    output: Path | None = None,
    device: str = "cpu",
    n_threads: int | None = None,
    force: bool = True,
    show: Callable[[str], None] = lambda line: None,
) -> int:
    """Find substitutes of each token of a text; see `language_model.substitutes`.

    source (Source): The language model, or the folder of a pre-training run.
    texts (Given | Sequence[Given]): The text, as for `Inputs`.
    n (int): Number of words in each list.
    format (str | None): The format of the text; None: by the names of the files.
    lang (str | None): As for `choose_pipeline`.
    pipeline (str | None): As for `choose_pipeline`.
    initial_state (str): "zero" or "warm".
    output (Path | None): A file of JSON lines, one per token: the number of its sentence from 0 up, the token, and
        three lists of [word, natural logarithm]. "-": standard output.
    device (str): The torch device.
    n_threads (int | None): As for `spacy_elmo.load`.
    force (bool): Whether to replace an existing file.
    show (Callable[[str], None]): Called with each line of the readable text.
    RETURNS (int): The number of tokens.
    RAISES (FileNotFoundError, ElmoError): For an unsuitable source, text or setting; and as `check_output`.
    """
    check_initial_state(initial_state, INITIAL_STATES)
    from ..inference.settings import check_count
    from ..language_model.substitutes import substitutes as find_substitutes
    from ..runtime.processors import torch_threads

    check_count("n_threads", n_threads)
    chosen = choose_pipeline(lang=lang, pipeline=pipeline, format=format)
    inputs = Inputs(texts, format=format, pipeline=chosen)
    check_lm_output(output, inputs.paths, source, force=force)
    model, vocabulary, state, where = open_model(
        source, initial_state=initial_state, device=device, n_threads=n_threads
    )
    n_tokens = 0
    inputs.check()
    sentences = (sentence.visible for sentence in inputs.read())
    with write_json_lines(output) as write, torch_threads(n_threads, next(model.parameters()).device):
        for number, found in enumerate(find_substitutes(model, vocabulary, sentences, n, state=state)):
            if any(isnan(value) for token in found for _, value in token.both[:1]):
                raise ElmoError(Errors.EL094.format(source=where))
            for token in found:
                write(
                    {
                        "sentence": number,
                        "token": token.token,
                        **{name: _round_list(token, name) for name in LISTS},
                    }
                )
            for line in _format_tokens(found):
                show(line)
            n_tokens += len(found)
        if not n_tokens:
            raise ElmoError(Errors.EL071.format(path=inputs.shown))
    return n_tokens


def _round_list(token: "Substitutes", name: str) -> list[tuple[str, float]]:
    return [(word, round(value, 6)) for word, value in getattr(token, name)]


def _format_tokens(found: "list[Substitutes]") -> Iterator[str]:
    for token in found:
        yield printable(token.token)
        for name in LISTS:
            yield f"  {name:<10}{_format_list(getattr(token, name))}"
    if found:
        yield ""


def _format_list(ranked: "Ranked") -> str:
    return "  ".join(f"{printable(word)} {value:.2f}" for word, value in ranked)
