"""The settings of `spacy-elmo embed`, and which of them can be combined."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ...bilm.layers import ALL, LayerChoice
from ...errors import ElmoError, Errors
from ...inputs.fasta import HeaderIds
from ...inputs.paths import Given
from ...inputs.reader import Inputs
from ...weights.source import Source
from ..options import choose_pipeline
from .content import POOLINGS, REDUCTIONS, TOP, check_choice

# The batch size of `allennlp elmo`: with carried state, it affects the vectors.
CARRY_BATCH = 64
# Tokens of a batch of sequences on the CPU. The default for sentences is the length of some twenty proteins, and a
# product with so few rows takes nearly as long as one with more.
SEQUENCE_BATCH_TOKENS = 32768


@dataclass(frozen=True, kw_only=True)
class EmbedSettings:
    """How inputs are embedded, and what is written.

    source (Source): The model, as for `spacy_elmo.load`.
    layers (LayerChoice | None): "*" or the names of layers; None: all or, for sequences with ids, the sum of all.
    reduce (str | None): None for each of the layers; the "sum" or "average" of them, or the "top" one.
    pool (str | None): None for vectors of tokens; "mean" for one vector of each sentence.
    format (str | None): The format of the input; None: by the names of the files.
    ids (HeaderIds | None): Where FASTA files have ids; None: the first word of a header.
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
    layers: LayerChoice | None = None
    reduce: str | None = None
    pool: str | None = None
    format: str | None = None
    ids: HeaderIds | None = None
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
        check_choice("reduce", self.reduce, REDUCTIONS)
        check_choice("pool", self.pool, POOLINGS)
        if self.reduce == TOP and self.layers not in (None, ALL):
            raise ElmoError(Errors.EL065.format(one="top", other="layers"))
        if self.forget_sentences and output_format != "h5":
            raise ElmoError(Errors.EL229.format(format=output_format))
        self.choose_pipeline()

    def find_inputs(self, given: Given | Sequence[Given]) -> Inputs:
        """Find the files of an output.

        given (Given | Sequence[Given]): As for `Inputs`.
        RETURNS (Inputs): Their sentences.
        RAISES (FileNotFoundError, ElmoError): As `Inputs`; and if there are FASTA files among others, or none for
            `ids`.
        """
        inputs = Inputs(given, format=self.format, pipeline=self.choose_pipeline(), ids=self.ids)
        others = [file.path for file in inputs.files if file.format != "fasta"]
        if others and len(others) < len(inputs.files):
            raise ElmoError(Errors.EL310.format(path=others[0]))
        if others and self.ids is not None:
            raise ElmoError(Errors.EL311.format(path=others[0]))
        return inputs

    def choose_batch_tokens(self, *, has_ids: bool) -> "EmbedSettings":
        """Choose how many tokens run together, if nothing was given.

        has_ids (bool): Whether sequences with ids are embedded.
        RETURNS (EmbedSettings): The settings to load the model with.
        """
        if not has_ids or self.max_batch_tokens is not None or not self.device.startswith("cpu"):
            return self
        return replace(self, max_batch_tokens=SEQUENCE_BATCH_TOKENS)

    def choose_pipeline(self) -> str | None:
        """Get the name of the pipeline that splits texts.

        RETURNS (str | None): A name for `Inputs`.
        RAISES (ElmoError): As `options.choose_pipeline`.
        """
        return choose_pipeline(lang=self.lang, pipeline=self.pipeline, format=self.format, kind="tokenizer")
