"""What `spacy-elmo embed` does in each process: the model is loaded, and run over the sentences of inputs."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from ...bilm.layers import ALL, MIXED, Layers, lstm_layer, resolve_layers
from ...errors import ElmoError, Errors
from ...inference.settings import InitialState, PrecisionName
from ...inputs.reader import Inputs
from .content import SUM, TOP, Content, Embedded
from .embed_settings import EmbedSettings
from .formats import get_writer
from .order import embed_batches, embed_by_length, embed_in_order
from .sequence_names import check_names

if TYPE_CHECKING:
    from spacy.language import Language

    from ...elmo import Elmo

# Called with how much of the input is done, and the tokens so far.
Report = Callable[[float, int], None]

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
        self._output_format = output_format
        self._write = get_writer(output_format)
        # A wrong layer is an error before anything is read.
        kinds = (False, True)
        self._contents = {has_ids: _choose_content(self.elmo, settings, has_ids=has_ids) for has_ids in kinds}
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
        inputs = self._settings.find_inputs(path)
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
        if inputs.has_ids and self._output_format == "h5":
            check_names(inputs, output)
        self.elmo.reset_state()
        # Reading the first sentence may import spaCy, which is not part of the measured time.
        sentences = inputs.read()
        sentences = chain(list(islice(sentences, 1)), sentences)
        start, counter = time.perf_counter(), _Counter(report)
        content = self._contents[inputs.has_ids]

        def embed_all() -> Iterator[Embedded]:
            layers = cast(Layers, content.names)
            if self.elmo.settings.initial_state == "carry":
                batch, size = partial(self.elmo.embed, layers=layers), self._settings.batch_size
                yield from embed_batches(sentences, batch, content, counter.add, size=size)
            else:
                run = embed_by_length if content.has_ids else embed_in_order
                yield from run(sentences, partial(self.elmo.stream, layers=layers), content, counter.add)
            if not counter.n_sentences:
                raise ElmoError(Errors.EL062.format(path=inputs.shown))

        self._write(output, embed_all(), content)
        return Summary(counter.n_sentences, counter.n_tokens, time.perf_counter() - start)


@dataclass
class _Counter:
    """Counts what was computed.

    report (Report): Called after each sentence.
    """

    report: Report
    n_sentences: int = 0
    n_tokens: int = 0

    def add(self, done: float, n_tokens: int) -> None:
        """Add a sentence.

        done (float): The share of the input that is done.
        n_tokens (int): The tokens of the sentence.
        """
        self.n_sentences += 1
        self.n_tokens += n_tokens
        self.report(done, self.n_tokens)


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


def _choose_content(elmo: "Elmo", settings: EmbedSettings, *, has_ids: bool) -> Content:
    reduce, chosen = settings.reduce, settings.layers
    if has_ids and reduce is None and chosen is None:
        # As SeqVec's program does.
        reduce = SUM
    if reduce == TOP:
        names = [lstm_layer(elmo.n_layers)]
    else:
        names = resolve_layers(ALL if chosen is None else chosen, n_layers=elmo.n_layers)
        if chosen in (None, ALL):
            names.remove(MIXED)
    return Content(
        names=names,
        reduce=reduce,
        pool=settings.pool,
        width=elmo.width(elmo.layer_names[-1]),
        with_index=not settings.forget_sentences and not has_ids,
        has_ids=has_ids,
        # Without tokens, nothing is computed.
        like=elmo.embed([[]], layers=cast(Layers, names))[0],
        source=elmo.source,
    )
