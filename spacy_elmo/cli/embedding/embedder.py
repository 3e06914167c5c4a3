"""What `spacy-elmo embed` does in each process: the model is loaded, and run over the sentences of inputs."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from ...bilm.layers import ALL, MIXED, LayerChoice, Layers, lstm_layer, resolve_layers
from ...errors import ElmoError, Errors
from ...inference.settings import InitialState, PrecisionName
from ...inputs.items import InputSentence
from ...inputs.reader import Inputs
from ...weights.source import Source
from ..options import choose_pipeline
from .formats import TOP, Content, Embedded, get_writer

if TYPE_CHECKING:
    from spacy.language import Language

    from ...elmo import Elmo

# Called with how much of the input is done, and the tokens so far.
Report = Callable[[float, int], None]

# The batch size of `allennlp elmo`: with carried state, it affects the vectors.
CARRY_BATCH = 64
# A pipeline keeps each new word. It is loaded again when it has as many texts more than when it was loaded.
_MOST_NEW_TEXTS = 1_000_000


class Summary(NamedTuple):
    """What was embedded.

    n_sentences (int): Number of sentences.
    n_tokens (int): Number of tokens.
    seconds (float): Time, without loading the model.
    """

    n_sentences: int
    n_tokens: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class EmbedSettings:
    """How inputs are embedded, and what is written.

    source (Source): The model, as for `spacy_elmo.load`.
    layers (LayerChoice): "*" or the names of layers.
    reduce (str | None): None for all layers; "average" of these layers, or the "top" one.
    format (str | None): The format of the input; None: by the names of the files.
    lang (str | None): The language whose tokenizer splits texts into tokens; each text is one sentence.
    pipeline (str | None): The pipeline that splits texts into sentences and tokens.
    precision (str): As for `spacy_elmo.load`.
    initial_state (str): As for `spacy_elmo.load`.
    batch_size (int): Sentences per batch, with initial_state "carry".
    max_batch_tokens (int | None): As for `spacy_elmo.load`.
    device (str): As for `spacy_elmo.load`.
    n_threads (int | None): As for `spacy_elmo.load`.
    forget_sentences (bool): Whether to leave out sentence_to_index of HDF5 files.
    """

    source: Source
    layers: LayerChoice = ALL
    reduce: str | None = None
    format: str | None = None
    lang: str | None = None
    pipeline: str | None = None
    precision: str = "fp32"
    initial_state: str = "zero"
    batch_size: int = CARRY_BATCH
    max_batch_tokens: int | None = None
    device: str = "cpu"
    n_threads: int | None = None
    forget_sentences: bool = False

    def check(self, output_format: str) -> None:
        """Check that the settings can be combined.

        output_format (str): The format of the output.
        RAISES (ElmoError): If they cannot.
        """
        if self.reduce == TOP and self.layers != ALL:
            raise ElmoError(Errors.EL065.format(one="top", other="layers"))
        if self.forget_sentences and output_format != "h5":
            raise ElmoError(Errors.EL229.format(format=output_format))
        self.choose_pipeline()

    def choose_pipeline(self) -> str | None:
        """Get the name of the pipeline that splits texts.

        RETURNS (str | None): A name for `Inputs`.
        RAISES (ElmoError): As `options.choose_pipeline`.
        """
        return choose_pipeline(lang=self.lang, pipeline=self.pipeline, format=self.format, kind="tokenizer")


class FileEmbedder:
    """A loaded model that embeds inputs, one output file after the other.

    elmo (Elmo): The model.
    """

    def __init__(self, settings: EmbedSettings, output_format: str):
        """Load the model.

        settings (EmbedSettings): How inputs are embedded, which was checked.
        output_format (str): The format of the output.
        RAISES (FileNotFoundError, ElmoError): For an unsuitable source or setting.
        """
        from ...elmo import load

        self.elmo = load(
            settings.source,
            device=settings.device,
            precision=cast(PrecisionName, settings.precision),
            initial_state=cast(InitialState, settings.initial_state),
            max_batch_tokens=settings.max_batch_tokens,
            n_threads=settings.n_threads,
        )
        self._settings = settings
        self._write = get_writer(output_format)
        self._content = _choose_content(self.elmo, settings)
        self._pipeline = PipelineCache()

    def load_pipeline(self) -> None:
        """Load the pipeline that splits texts, if the settings name one.

        RAISES (ElmoError): If there is no such pipeline.
        """
        if (name := self._settings.choose_pipeline()) is not None:
            self._pipeline(name)

    def open(self, path: Path) -> Inputs:
        """Open a single input file.

        path (Path): The file.
        RETURNS (Inputs): Its sentences, by a pipeline that is loaded once for all files.
        RAISES (FileNotFoundError, ElmoError): If it cannot be read.
        """
        settings = self._settings
        inputs = Inputs(path, format=settings.format, pipeline=settings.choose_pipeline())
        inputs.load = self._pipeline
        return inputs

    def embed(self, inputs: Inputs, output: Path, report: Report) -> Summary:
        """Embed inputs into a file, which appears when it is complete.

        inputs (Inputs): The sentences.
        output (Path): The file.
        report (Report): Called after each sentence.
        RETURNS (Summary): What was embedded.
        RAISES (ElmoError, OSError): If the input cannot be read or is empty, or the output cannot be written.
        """
        inputs.check()
        self.elmo.reset_state()
        # Reading the first sentence may import spaCy, which is not part of the measured time.
        sentences = inputs.read()
        sentences = chain(list(islice(sentences, 1)), sentences)
        start, n_sentences, n_tokens = time.perf_counter(), 0, 0

        def embed_and_count() -> Iterator[Embedded]:
            nonlocal n_sentences, n_tokens
            for embedded in _embed_sentences(self.elmo, sentences, self._content.names, self._settings.batch_size):
                yield embedded
                n_sentences += 1
                n_tokens += len(embedded.sentence.tokens)
                report(embedded.sentence.done, n_tokens)
            if not n_sentences:
                raise ElmoError(Errors.EL062.format(path=inputs.shown))

        self._write(output, embed_and_count(), self._content)
        return Summary(n_sentences, n_tokens, time.perf_counter() - start)


class PipelineCache:
    """Loads a pipeline once for all input files."""

    def __init__(self) -> None:
        self._kept: dict[str, Language] = {}
        self._most = 0

    def __call__(self, name: str) -> "Language":
        """Load a pipeline, if need be.

        name (str): As for `load_pipeline`.
        RETURNS (Language): The pipeline.
        RAISES (ElmoError): As `load_pipeline`.
        """
        from ...inputs.pipelines import load_pipeline

        if name not in self._kept or len(self._kept[name].vocab.strings) > self._most:
            self._kept.clear()
            nlp = self._kept[name] = load_pipeline(name)
            self._most = len(nlp.vocab.strings) + _MOST_NEW_TEXTS
        return self._kept[name]


def _choose_content(elmo: "Elmo", settings: EmbedSettings) -> Content:
    if settings.reduce == TOP:
        names = [lstm_layer(elmo.n_layers)]
    else:
        names = resolve_layers(settings.layers, n_layers=elmo.n_layers)
        if settings.layers == ALL:
            names.remove(MIXED)
    return Content(
        names=names,
        reduce=settings.reduce,
        width=elmo.width(elmo.layer_names[-1]),
        with_index=not settings.forget_sentences,
        # Without tokens, nothing is computed.
        like=elmo.embed([[]], layers=cast(Layers, names))[0],
        source=elmo.source,
    )


def _embed_sentences(
    elmo: "Elmo", sentences: Iterable[InputSentence], names: list[str], batch_size: int
) -> Iterator[Embedded]:
    if elmo.settings.initial_state == "carry":
        from spacy.util import minibatch

        for batch in minibatch(sentences, size=batch_size):
            outputs = elmo.embed([sentence.visible for sentence in batch], layers=cast(Layers, names))
            yield from (Embedded(*both) for both in zip(batch, outputs, strict=True))
        return
    # `stream` reads ahead: sentences wait here for their outputs.
    waiting: deque[InputSentence] = deque()

    def read_tokens() -> Iterator[list[str]]:
        for sentence in sentences:
            waiting.append(sentence)
            yield sentence.visible

    for output in elmo.stream(read_tokens(), layers=cast(Layers, names)):
        yield Embedded(waiting.popleft(), output)
