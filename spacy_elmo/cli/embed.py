"""`spacy-elmo embed`: embeds files of sentences into an HDF5 file with the layout of `allennlp elmo`."""

import json
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from typer import Argument, Option

from ..bilm.layers import (
    ALL,
    MIXED,
    LayerChoice,
    LayerOutputs,
    Layers,
    lstm_layer,
    resolve_layers,
    stack_layers,
)
from ..errors import ElmoError, Errors
from ..inference.settings import INITIAL_STATES, PRECISION_NAMES, InitialState, PrecisionName
from ..inputs.items import InputSentence
from ..inputs.paths import Given
from ..inputs.reader import Inputs
from ..weights.catalogue import BUNDLED
from ..weights.source import Source, find_files
from .options import (
    INPUT_HELP,
    PIPELINE_HELP,
    Device,
    Force,
    Format,
    NThreads,
    SourceOption,
    choices,
    choose_pipeline,
    unpack_source,
)
from .outputs import HDF5_ENDINGS, check_output
from .progress import ProgressBar

if TYPE_CHECKING:
    from ..elmo import Elmo

# The batch size of `allennlp elmo`: with carried state, it affects the vectors.
CARRY_BATCH = 64

LAYERS_HELP = "Layers to write, such as word_emb,lstm_outputs2 or elmo. Default: word_emb and all LSTM layers."
LANG_HELP = (
    "Split each raw text into tokens with spaCy's tokenizer for this language, as one sentence. Without this "
    "option, lines of a .txt are split at blanks, and texts of a .jsonl with the tokenizer for 'en'."
)


class Summary(NamedTuple):
    """What was embedded.

    n_sentences (int): Number of sentences.
    n_tokens (int): Number of tokens.
    seconds (float): Time, without loading the model.
    """

    n_sentences: int
    n_tokens: int
    seconds: float


def embed_cli(
    inputs: Annotated[list[Path], Argument(metavar="INPUT", help=INPUT_HELP)],
    output: Annotated[Path, Option("--output", "-o", metavar="FILE", help="The HDF5 file to write.")],
    source: SourceOption = None,
    layers: Annotated[list[str] | None, Option(metavar="NAMES", help=LAYERS_HELP)] = None,
    average: Annotated[bool, Option("--average", help="Write the mean of the layers, of shape (n, 2P).")] = False,
    top: Annotated[bool, Option("--top", help="Write only the top LSTM layer, of shape (n, 2P).")] = False,
    format: Format = None,
    lang: Annotated[str | None, Option(metavar="LANG", help=LANG_HELP)] = None,
    pipeline: Annotated[str | None, Option(metavar="NAME", help=PIPELINE_HELP)] = None,
    precision: Annotated[
        str,
        Option(
            help="fp32; tf32, bf16 or int8, which are faster and less exact; or fp64.", **choices(PRECISION_NAMES)
        ),
    ] = "fp32",
    initial_state: Annotated[
        str, Option(help="The LSTM state at the start of each sentence.", **choices(INITIAL_STATES))
    ] = "zero",
    batch_size: Annotated[
        int, Option(min=1, metavar="N", help="Sentences per batch, with --initial-state carry.")
    ] = CARRY_BATCH,
    max_batch_tokens: Annotated[int | None, Option(min=1, metavar="N", help="Maximum tokens per batch.")] = None,
    device: Device = "cpu",
    n_threads: NThreads = None,
    forget_sentences: Annotated[bool, Option("--forget-sentences", help="Leave out sentence_to_index.")] = False,
    force: Force = False,
    quiet: Annotated[bool, Option("--quiet", "-q", help="No progress bar and no summary.")] = False,
) -> None:
    """Embed the sentences of files with ELMo.

    The file has one dataset per sentence, "0", "1" and so on, of shape (L+1, n, 2P): word_emb twice side by side,
    then the LSTM layers. The dataset sentence_to_index is a JSON object from each sentence to its number.
    """
    if average and top:
        raise ElmoError(Errors.EL065.format(one="average", other="top"))
    console = Console(stderr=True, quiet=quiet)
    with ProgressBar(console) as progress:
        summary = embed(
            inputs,
            unpack_source(source or [BUNDLED]),
            output,
            layers=_split_names(layers) if layers else ALL,
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
    source: Source,
    output: Path,
    *,
    layers: LayerChoice = ALL,
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

    given (Given | Sequence[Given]): The input, as for `Inputs`.
    source (Source): The model, as for `spacy_elmo.load`.
    output (Path): The HDF5 file to write.
    layers (LayerChoice): "*" or the names of layers.
    reduce (str | None): None for arrays (n_layers, n, 2P); "average" of these layers or the "top" one for (n, 2P).
    format (str | None): The format of the input; None: by the names of the files.
    lang (str | None): The language whose tokenizer splits texts into tokens; each text is one sentence.
    pipeline (str | None): The pipeline that splits texts into sentences and tokens.
    precision (str): As for `spacy_elmo.load`.
    initial_state (str): As for `spacy_elmo.load`.
    batch_size (int): Sentences per batch, with initial_state "carry".
    max_batch_tokens (int | None): As for `spacy_elmo.load`.
    device (str): As for `spacy_elmo.load`.
    n_threads (int | None): As for `spacy_elmo.load`.
    forget_sentences (bool): Whether to leave out sentence_to_index.
    force (bool): Whether to replace an existing file.
    report (Callable[[float, int], None]): Called with the share of the input that is done and the tokens so far.
    RETURNS (Summary): What was embedded.
    RAISES (FileNotFoundError, ElmoError): For an unsuitable input, source or setting; and as `check_output`.
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
        precision=cast(PrecisionName, precision),
        initial_state=cast(InitialState, initial_state),
        max_batch_tokens=max_batch_tokens,
        n_threads=n_threads,
    )
    names = _choose_layers(elmo, layers, reduce)
    inputs.check()
    sentence_to_index: dict[str, str] = {}
    # Reading the first sentence may import spaCy, which is not part of the measured time.
    sentences = inputs.read()
    sentences = chain(list(islice(sentences, 1)), sentences)
    start, number, n_tokens = time.perf_counter(), 0, 0
    with write_hdf5(output) as writer:
        for sentence, outputs in _embed_all(elmo, sentences, names, batch_size):
            key = str(number)
            writer.add(key, _make_array(elmo, sentence, outputs, names, reduce), dtype="float32")
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


def _split_names(layers: list[str]) -> str | list[str]:
    """Split the values of --layers, which may be repeated, at commas."""
    names = [name.strip() for part in layers for name in part.split(",")]
    return ALL if names == [ALL] else names


def _choose_layers(elmo: "Elmo", layers: LayerChoice, reduce: str | None) -> list[str]:
    if reduce == "top":
        return [lstm_layer(elmo.n_layers)]
    names = resolve_layers(layers, n_layers=elmo.n_layers)
    return [name for name in names if name != MIXED] if layers == ALL else names


def _embed_all(
    elmo: "Elmo", sentences: Iterable[InputSentence], names: list[str], batch_size: int
) -> Iterator[tuple[InputSentence, LayerOutputs]]:
    if elmo.settings.initial_state == "carry":
        from spacy.util import minibatch

        for batch in minibatch(sentences, size=batch_size):
            outputs = elmo.embed([sentence.visible for sentence in batch], layers=cast(Layers, names))
            yield from zip(batch, outputs, strict=True)
        return
    # `stream` reads ahead: sentences wait here for their outputs.
    waiting: deque[InputSentence] = deque()

    def read_tokens() -> Iterator[list[str]]:
        for sentence in sentences:
            waiting.append(sentence)
            yield sentence.visible

    for output in elmo.stream(read_tokens(), layers=cast(Layers, names)):
        yield waiting.popleft(), output


def _make_array(
    elmo: "Elmo", sentence: InputSentence, outputs: LayerOutputs, names: list[str], reduce: str | None
) -> NDArray[np.floating]:
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
