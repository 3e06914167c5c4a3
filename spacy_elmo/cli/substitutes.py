"""`spacy-elmo substitutes`: the words that a language model expects in each token's place."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from rich.console import Console
from typer import Argument, Option, echo

from ..errors import ElmoError, Errors, printable
from ..inputs.paths import Given
from ..inputs.reader import Inputs
from .command import choices
from .inputs import INPUT_HELP, LANG_HELP, PIPELINE_HELP, Format, choose_pipeline
from .lm_inputs import MODEL_HELP, check_initial_state, check_lm_output, json_lines, open_model
from .outputs import Force, is_stdout
from .threads import NThreads

if TYPE_CHECKING:
    from ..language_model.substitutes import Ranked, Substitutes

INITIAL_STATES = ("zero", "warm")
LISTS = ("forward", "backward", "both")

OUTPUT_HELP = "A .jsonl to write, an object a token, instead of lines to read; - prints it."
STATE_HELP = "What every sentence starts from: zero or warm."


def substitutes_cli(
    source: Annotated[Path, Argument(metavar="SOURCE", help=MODEL_HELP)],
    texts: Annotated[list[Path], Argument(metavar="TEXT", help=INPUT_HELP)],
    n: Annotated[int, Option("--number", "-n", min=1, metavar="N", help="Words in each list.")] = 10,
    format: Format = None,
    lang: Annotated[str | None, Option(metavar="LANG", help=LANG_HELP)] = None,
    pipeline: Annotated[str | None, Option(metavar="NAME", help=PIPELINE_HELP)] = None,
    initial_state: Annotated[str, Option(help=STATE_HELP, **choices(INITIAL_STATES))] = "zero",
    output: Annotated[Path | None, Option("--output", "-o", metavar="FILE", help=OUTPUT_HELP)] = None,
    device: Annotated[str, Option(metavar="DEVICE", help="Where torch runs it, such as cpu or cuda.")] = "cpu",
    n_threads: NThreads = None,
    force: Force = False,
    quiet: Annotated[bool, Option("--quiet", "-q", help="No summary.")] = False,
) -> None:
    """List the likeliest words in the place of each token.

    forward: by the words before it, backward: by those after it, both: by the sum of the two log-probabilities.
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
    source: Any,
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
    """Substitutes of each token of a text; see `language_model.substitutes`. RETURNS: the number of tokens.

    texts, format: see `Inputs`; lang, pipeline: see `choose_pipeline`.
    n_threads: see `Settings`.
    output: a file of JSON lines, one a token: number of its sentence in the text, from 0 up, the token, and three
        lists of [word, natural logarithm]; "-": standard output. force: replace a file that is there.
    show: called with each line of a text to be read.
    RAISES (FileNotFoundError, ElmoError): For a source, text or setting that will not do; as `check_output`.
    """
    check_initial_state(initial_state, INITIAL_STATES)
    from ..inference.settings import check_threads
    from ..language_model.substitutes import substitutes as substitutes_of
    from ..runtime.processors import torch_threads

    check_threads(n_threads)
    chosen = choose_pipeline(lang=lang, pipeline=pipeline, format=format)
    inputs = Inputs(texts, format=format, pipeline=chosen)
    check_lm_output(output, inputs.paths, source, force=force)
    model, vocabulary, state, _ = open_model(
        source, initial_state=initial_state, device=device, n_threads=n_threads
    )
    n_tokens = 0
    inputs.check()
    sentences = (sentence.visible for sentence in inputs.read())
    with json_lines(output) as write, torch_threads(n_threads, next(model.parameters()).device):
        for number, found in enumerate(substitutes_of(model, vocabulary, sentences, n, state=state)):
            for token in found:
                write(
                    {"sentence": number, "token": token.token, **{name: _rounded(token, name) for name in LISTS}}
                )
            for line in _as_text(found):
                show(line)
            n_tokens += len(found)
        if not n_tokens:
            raise ElmoError(Errors.EL071.format(path=inputs.shown))
    return n_tokens


def _rounded(token: "Substitutes", name: str) -> list[list[Any]]:
    return [[word, round(value, 6)] for word, value in getattr(token, name)]


def _as_text(found: "list[Substitutes]") -> Iterator[str]:
    for token in found:
        yield printable(token.token)
        for name in LISTS:
            yield f"  {name:<10}{_words(getattr(token, name))}"
    if found:
        yield ""


def _words(ranked: "Ranked") -> str:
    return "  ".join(f"{printable(word)} {value:.2f}" for word, value in ranked)
