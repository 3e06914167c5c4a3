"""`spacy-elmo embed`: a file of sentences -> an HDF5 file of layers, laid out as `allennlp elmo` wrote it."""

import json
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    NamedTuple,
    cast,
)

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from typer import Argument, Option

from ..bilm.layers import ALL, MIXED, LayerOutputs, Layers, lstm_layer, resolve_layers, stack_layers
from ..errors import ElmoError, Errors
from ..inputs.items import InputSentence
from ..inputs.paths import Given
from ..inputs.reader import Inputs
from ..weights.catalogue import BUNDLED
from ..weights.source import find_files
from .command import choices
from .inputs import INPUT_HELP, PIPELINE_HELP, Format, choose_pipeline
from .outputs import HDF5_ENDINGS, Force, check_output
from .progress import ProgressBar
from .threads import NThreads

if TYPE_CHECKING:
    from ..elmo import Elmo
    from ..inference.settings import InitialState, PrecisionName

# The batch size of `allennlp elmo`, which decides over the vectors where state is carried.
CARRY_BATCH = 64
# Not imported with torch: a command line that is wrong is told at once.
PRECISIONS = ("fp32", "tf32", "bf16", "int8", "fp64")
INITIAL_STATES = ("zero", "warm", "carry")

SOURCE_HELP = (
    f"The model: {BUNDLED} or another name of `spacy-elmo models`, a folder, a file or an archive; or twice: the "
    "options file, the weights file."
)
LAYERS_HELP = "Layers to write, as word_emb,lstm_outputs2 or elmo. Default: word_emb and all LSTM layers."
LANG_HELP = (
    "Split each raw text into tokens by spaCy's tokenizer of this language, as one sentence. Without it, lines of "
    "a .txt are split at blanks, and texts of a .jsonl by the tokenizer of 'en'."
)


class Summary(NamedTuple):
    """What `embed` has done. seconds: without loading the model."""

    n_sentences: int
    n_tokens: int
    seconds: float


def embed_cli(
    inputs: Annotated[list[Path], Argument(metavar="INPUT", help=INPUT_HELP)],
    output: Annotated[Path, Option("--output", "-o", metavar="FILE", help="The HDF5 file to write.")],
    source: Annotated[list[str] | None, Option("--source", "-s", metavar="SOURCE", help=SOURCE_HELP)] = None,
    layers: Annotated[list[str] | None, Option(metavar="NAMES", help=LAYERS_HELP)] = None,
    average: Annotated[bool, Option("--average", help="Write the mean of the layers, (n, 2P).")] = False,
    top: Annotated[bool, Option("--top", help="Write the top LSTM layer only, (n, 2P).")] = False,
    format: Format = None,
    lang: Annotated[str | None, Option(metavar="LANG", help=LANG_HELP)] = None,
    pipeline: Annotated[str | None, Option(metavar="NAME", help=PIPELINE_HELP)] = None,
    precision: Annotated[
        str,
        Option(help="fp32; tf32, bf16 or int8, faster and less exact; or fp64.", **choices(PRECISIONS)),
    ] = "fp32",
    initial_state: Annotated[
        str, Option(help="What each sentence starts from.", **choices(INITIAL_STATES))
    ] = "zero",
    batch_size: Annotated[
        int, Option(min=1, metavar="N", help="Sentences per batch, where state is carried.")
    ] = CARRY_BATCH,
    max_batch_tokens: Annotated[int | None, Option(min=1, metavar="N", help="Tokens that run together.")] = None,
    device: Annotated[str, Option(metavar="DEVICE", help="Where torch runs it, such as cpu or cuda.")] = "cpu",
    n_threads: NThreads = None,
    forget_sentences: Annotated[bool, Option("--forget-sentences", help="Leave out sentence_to_index.")] = False,
    force: Force = False,
    quiet: Annotated[bool, Option("--quiet", "-q", help="No progress bar and no summary.")] = False,
) -> None:
    """Embed the sentences of files with ELMo.

    Writes the datasets "0", "1", ..., one a sentence and (L+1, n, 2P) each: word_emb twice side by side, then the
    LSTM layers; and sentence_to_index, JSON from each sentence to its number.
    """
    if average and top:
        raise ElmoError(Errors.EL065.format(one="average", other="top"))
    sources = source or [BUNDLED]
    console = Console(stderr=True, quiet=quiet)
    with ProgressBar(console) as progress:
        summary = embed(
            inputs,
            sources[0] if len(sources) == 1 else sources,
            output,
            layers=_split(layers) if layers else ALL,
            reduce="average" if average else "top" if top else None,
            format=format,
            lang=lang,
            pipeline=pipeline,
            precision=precision,
            initial_state=initial_state,
            batch_size=batch_size,
            max_batch_tokens=max_batch_tokens,
            device=device,
            n_threads=n_threads,
            forget_sentences=forget_sentences,
            force=force,
            report=progress,
        )
    console.print(
        f"Wrote {summary.n_sentences:,} sentences, {summary.n_tokens:,} tokens to {output} "
        f"({summary.n_tokens / max(summary.seconds, 1e-9):,.0f} tokens/s)",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def embed(
    given: Given | Sequence[Given],
    source: Any,
    output: Path,
    *,
    layers: Any = ALL,
    reduce: str | None = None,
    format: str | None = None,
    lang: str | None = None,
    pipeline: str | None = None,
    precision: str = "fp32",
    initial_state: str = "zero",
    batch_size: int = CARRY_BATCH,
    max_batch_tokens: int | None = None,
    device: str = "cpu",
    n_threads: int | None = None,
    forget_sentences: bool = False,
    force: bool = True,
    report: Callable[[float, int], None] = lambda done, n_tokens: None,
) -> Summary:
    """Embed the sentences of files into an HDF5 file, which appears when it is complete.

    given, format: see `Inputs`. lang: of the tokenizer of texts, each of which is one sentence. pipeline: what
        splits texts into sentences as well.
    layers: "*" or names. reduce: None for (n_layers, n, 2P) a sentence; "average" over these layers or the
        "top" one for (n, 2P). batch_size: sentences per batch with initial_state "carry".
    force: replace a file that is there.
    report: called with the share of the input that is done and the tokens so far.
    RAISES (FileNotFoundError, ElmoError): For input, source or settings that will not do; as `check_output`.
    """
    import h5py

    from ..elmo import load
    from ..util.hdf5_file import write_hdf5

    if reduce == "top" and layers != ALL:
        raise ElmoError(Errors.EL065.format(one="top", other="layers"))
    chosen = choose_pipeline(lang=lang, pipeline=pipeline, format=format, kind="tokenizer")
    inputs = Inputs(given, format=format, pipeline=chosen)
    read = [*inputs.paths, *find_files(source).paths]
    check_output(output, read, force=force, what="HDF5", endings=HDF5_ENDINGS)
    elmo = load(
        source,
        device=device,
        precision=cast("PrecisionName", precision),
        initial_state=cast("InitialState", initial_state),
        max_batch_tokens=max_batch_tokens,
        n_threads=n_threads,
    )
    names = _layers_to_write(elmo, layers, reduce)
    inputs.check()
    sentence_to_index: dict[str, str] = {}
    # What the first sentence asks to be imported is not the model's time.
    sentences = inputs.read()
    sentences = chain(list(islice(sentences, 1)), sentences)
    start, number, n_tokens = time.perf_counter(), 0, 0
    with write_hdf5(output) as writer:
        for sentence, outputs in _embedded(elmo, sentences, names, batch_size):
            key = str(number)
            writer.add(key, _as_array(elmo, sentence, outputs, names, reduce), dtype="float32")
            if not forget_sentences:
                sentence_to_index[sentence.text] = key
            number += 1
            n_tokens += len(sentence.tokens)
            report(sentence.done, n_tokens)
        if not number:
            raise ElmoError(Errors.EL062.format(path=inputs.shown))
        writer.file.attrs["layers"] = json.dumps(names)
        if not forget_sentences:
            text = json.dumps(sentence_to_index)
            writer.add("sentence_to_index", [text], dtype=h5py.string_dtype())
    return Summary(number, n_tokens, time.perf_counter() - start)


def _split(layers: list[str]) -> str | list[str]:
    """Names separated by commas, by repeating the option, or both."""
    names = [name.strip() for part in layers for name in part.split(",")]
    return ALL if names == [ALL] else names


def _layers_to_write(elmo: "Elmo", layers: Any, reduce: str | None) -> list[str]:
    if reduce == "top":
        return [lstm_layer(elmo.n_layers)]
    names = resolve_layers(layers, n_layers=elmo.n_layers)
    return [name for name in names if name != MIXED] if layers == ALL else names


def _embedded(
    elmo: "Elmo", sentences: Iterable[InputSentence], names: list[str], batch_size: int
) -> Iterator[tuple[InputSentence, LayerOutputs]]:
    if elmo.settings.initial_state == "carry":
        from spacy.util import minibatch

        for batch in minibatch(sentences, size=batch_size):
            outputs = elmo.embed([sentence.visible for sentence in batch], layers=cast(Layers, names))
            yield from zip(batch, outputs, strict=True)
        return
    # The model reads ahead: sentences wait here until their outputs come.
    waiting: deque[InputSentence] = deque()

    def tokens() -> Iterator[Any]:
        for sentence in sentences:
            waiting.append(sentence)
            yield sentence.visible

    for output in elmo.stream(tokens(), layers=cast(Layers, names)):
        yield waiting.popleft(), output


def _as_array(
    elmo: "Elmo", sentence: InputSentence, outputs: LayerOutputs, names: list[str], reduce: str | None
) -> NDArray[Any]:
    width = elmo.width(elmo.layer_names[-1])
    array = stack_layers([getattr(outputs, name) for name in names], width=width)
    rows = sentence.rows
    if len(rows) < len(sentence.tokens):
        full = np.zeros((len(array), len(sentence.tokens), width), dtype=array.dtype)
        full[:, rows] = array
        array = full
    if reduce == "average":
        return np.asarray(array.mean(axis=0))
    return array[0] if reduce == "top" else array
