"""The interface of simple_elmo without TensorFlow: `ElmoModel` over any model of this package.

On purpose, a sentence has the same vectors every time, with or without `warmup`; padding is zeros and counts in no
average, where layers="all" averages each layer by itself; and substitutes depend on the whole sentence (see
`language_model.substitutes`).
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from ..bilm.layers import LayerName, LayerOutputs
from ..elmo import Elmo
from ..elmo import load as load_elmo
from ..errors import ElmoError, Errors
from ..inference.sentences import validate_sentences
from ..inference.settings import check_count
from ..language_model.model import LanguageModel
from ..language_model.storage import Exportable, build_language_model, check_vocabulary, read_model
from ..language_model.substitutes import Ranked, substitutes
from ..language_model.vocabulary import Vocabulary as PredictedWords
from ..weights.source import Source
from .bilm import Batcher, BidirectionalLanguageModel, UnicodeCharsVocabulary, Vocabulary

__all__ = ["Batcher", "BidirectionalLanguageModel", "ElmoModel", "divide_chunks"]

AVERAGE, TOP, ALL_LAYERS = "average", "top", "all"
LAYERS = (AVERAGE, TOP, ALL_LAYERS)
# Files of a folder that are read for a language model.
_CHECKPOINT = "checkpoint"
_PACKED_VOCABULARY = "vocab.txt.gz"

T = TypeVar("T")


class _Predictor(NamedTuple):
    """What substitutes are found with."""

    model: LanguageModel
    words: PredictedWords


class ElmoModel:
    """A model with the interface of simple_elmo's. `load` comes first.

    vector_size (int | None): After `load`, the width of a vector, 2P.
    n_layers (int | None): The LSTM layers and the one below them, L + 1.
    max_chars (int | None): Character ids per token.
    batch_size (int | None): As it was given.
    batcher (Batcher | None): Makes character ids; None if the model has a vocabulary of characters.
    vocab (UnicodeCharsVocabulary | None): The words that a language model predicts; None without `full=True`.
    """

    def __init__(self) -> None:
        self.batcher: Batcher | None = None
        self.batch_size: int | None = None
        self.max_chars: int | None = None
        self.vector_size: int | None = None
        self.n_layers: int | None = None
        self.vocab: UnicodeCharsVocabulary | None = None
        self._elmo: Elmo | None = None
        self._predictor: _Predictor | None = None
        self._layers = AVERAGE

    def load(
        self,
        directory: Source,
        max_batch_size: int = 32,
        limit: int = 100,
        full: bool = False,
        *,
        top: bool = False,
    ) -> str:
        """Load a model, in place of the one before. It runs on the GPU if torch has one.

        directory (Source): A folder, or an archive such as those of the NLPL repository, or any other source of
            `spacy_elmo.load`.
        max_batch_size (int): Kept as `batch_size`. Sentences are batched by their tokens, which does not change
            values.
        limit (int): Not used: no words are kept between calls.
        full (bool): Load the softmax and the vocabulary, too, for `get_elmo_substitutes`: from the weights or, if
            these have no softmax, from a checkpoint of TensorFlow beside them.
        top (bool): As in simple_elmo's first releases: methods use the "top" layer where `layers` is not given.
        RETURNS (str): A message that the model is loaded.
        RAISES (FileNotFoundError): If there is no such source or, with `full`, no vocabulary.
        RAISES (ElmoError): If it is not a biLM or, with `full`, has no softmax.
        RAISES (ImportError): If its format needs a package that is not installed.
        RAISES (OSError): If a download fails.
        """
        check_count("max_batch_size", max_batch_size)
        elmo = load_elmo(directory, device="cuda" if torch.cuda.is_available() else "cpu")
        predictor = _load_predictor(directory) if full else None
        options = elmo.options
        self._elmo, self._predictor = elmo, predictor
        self._layers = TOP if top else AVERAGE
        self.batch_size = max_batch_size
        self.max_chars = options.char_cnn.max_characters_per_token
        self.vector_size = 2 * options.lstm.projection_dim
        self.n_layers = options.lstm.n_layers + 1
        self.batcher = None if options.has_own_vocabulary else Batcher(None, self.max_chars)
        self.vocab = None if predictor is None else UnicodeCharsVocabulary(predictor.words.words, self.max_chars)
        return f"The model {elmo.source} is loaded."

    def get_elmo_vectors(
        self,
        texts: Iterable[Sequence[str]],
        warmup: bool = True,
        layers: str | None = None,
        session: object = None,
    ) -> NDArray[np.float64]:
        """Compute the vectors of the tokens of sentences.

        texts (Iterable[Sequence[str]]): Token texts.
        warmup (bool): Not used: every sentence starts from zeros.
        layers (str | None): "average", the mean of all layers; "top", the highest LSTM layer; or "all". None:
            "average"; or "top", if `load` was told so.
        session (object): Not used.
        RETURNS (NDArray[np.float64]): (n_sentences, longest, 2P), with "all" (n_sentences, L + 1, longest, 2P);
            zeros after the end of a sentence.
        RAISES (ElmoError): If no model is loaded, a sentence is not a list of str, or `layers` is something else.
        """
        elmo, layers = _check(self._elmo, "get_elmo_vectors"), self._choose(layers)
        sentences = list(validate_sentences(texts, warn=lambda _: None))
        longest = max(map(len, sentences), default=0)
        rows = (elmo.n_layers + 1,) if layers == ALL_LAYERS else ()
        # float64, as there: so that sums over many vectors keep their digits.
        vectors = np.zeros((len(sentences), *rows, longest, 2 * elmo.options.lstm.projection_dim))
        for target, array in zip(vectors, _compute(elmo, sentences, layers)):
            target[..., : array.shape[-2], :] = array
        return vectors

    def get_elmo_vector_average(
        self,
        texts: Iterable[Sequence[str]],
        warmup: bool = True,
        layers: str | None = None,
        session: object = None,
    ) -> NDArray[np.float64]:
        """Compute one vector for each sentence: the mean over its tokens, scaled to a length of 1.

        texts (Iterable[Sequence[str]]): Token texts.
        warmup (bool): Not used: every sentence starts from zeros.
        layers (str | None): See `get_elmo_vectors`.
        session (object): Not used.
        RETURNS (NDArray[np.float64]): (n_sentences, 2P); with "all" (n_sentences, L + 1, 2P), where the numbers of
            all layers together have a length of 1. Zeros for a sentence without tokens.
        RAISES (ElmoError): As `get_elmo_vectors`.
        """
        elmo, layers = _check(self._elmo, "get_elmo_vector_average"), self._choose(layers)
        rows = (elmo.n_layers + 1,) if layers == ALL_LAYERS else ()
        means = [array.sum(axis=-2, dtype=np.float64) for array in _compute(elmo, texts, layers)]
        lengths = [float(np.linalg.norm(mean)) for mean in means]
        # The number of tokens cancels.
        vectors = [mean / length if length else mean for mean, length in zip(means, lengths)]
        return np.array(vectors).reshape(len(vectors), *rows, 2 * elmo.options.lstm.projection_dim)

    def get_elmo_substitutes(
        self, data: Iterable[str | Sequence[str]], topn: int = 3, nodelimiters: bool = True
    ) -> list[list[dict[str, Any]]]:
        """Find the most likely words in the place of each token. The model must be loaded with `full=True`.

        In simple_elmo, a prediction depends on the one token before or after, "logp" are scores before the
        softmax, candidates are not sorted, words that the vocabulary lacks are shown as <UNK>, and at least
        `batch_size` sentences are needed.

        data (Iterable[str | Sequence[str]]): Sentences, tokens separated by whitespace; or lists of tokens.
        topn (int): Words for each direction; fewer if the vocabulary has fewer.
        nodelimiters (bool): True: <S>, </S> and <UNK> are not among the words.
        RETURNS (list[list[dict[str, Any]]]): For each token of each sentence, "word", its text, and "forward" and
            "backward", the words that are likely after the tokens before it, and before those after it: their
            numbers in `vocab` ("candidates"), their texts ("candidate_words") and the natural logarithms of
            their probabilities ("logp"), most likely first.
        RAISES (ElmoError): If no model is loaded, or not with `full=True`; if `topn` is less than 1,
            `nodelimiters` is false, or a sentence is neither a str nor a list of str.
        """
        _check(self._elmo, "get_elmo_substitutes")
        if not nodelimiters:
            raise ElmoError(Errors.EL883)
        model, words = _check(self._predictor, "get_elmo_substitutes", how=", full=True")
        sentences = validate_sentences(
            (text.split() if isinstance(text, str) else text for text in data), warn=lambda _: None
        )
        return [
            [
                {
                    "word": one.token,
                    "forward": _describe(one.forward, words),
                    "backward": _describe(one.backward, words),
                }
                for one in sentence
            ]
            for sentence in substitutes(model, words, sentences, topn)
        ]

    def _choose(self, layers: str | None) -> str:
        return self._layers if layers is None else layers


def divide_chunks(data: Sequence[T], n: int) -> Iterator[Sequence[T]]:
    """Divide a list into chunks.

    data (Sequence[T]): The list.
    n (int): Items of each chunk; the last one may have fewer.
    YIELDS (Sequence[T]): Each chunk.
    """
    for start in range(0, len(data), n):
        yield data[start : start + n]


def _check(found: T | None, method: str, *, how: str = "") -> T:
    if found is None:
        raise ElmoError(Errors.EL880.format(name=method, how=how))
    return found


def _compute(elmo: Elmo, texts: Iterable[Sequence[str]], layers: str) -> Iterator[NDArray[np.floating]]:
    """The array of each sentence: (n_tokens, 2P), or with "all" (L + 1, n_tokens, 2P)."""
    if layers not in LAYERS:
        allowed = ", ".join(repr(name) for name in LAYERS)
        raise ElmoError(Errors.EL030.format(what="layers", got=layers, allowed=allowed))
    # All but the mix.
    names = elmo.layer_names[:-1]
    chosen = names[-1:] if layers == TOP else names
    return (_reduce(outputs, layers, chosen[-1]) for outputs in elmo.stream(texts, layers=chosen))


def _reduce(outputs: LayerOutputs, layers: str, top: LayerName) -> NDArray[np.floating]:
    if layers == TOP:
        return outputs[top]
    stacked = outputs.stack()
    return stacked if layers == ALL_LAYERS else np.asarray(stacked.mean(axis=0))


def _describe(ranked: Ranked, words: PredictedWords) -> dict[str, Any]:
    return {
        "candidates": words.ids(word for word, _ in ranked).tolist(),
        "candidate_words": [word for word, _ in ranked],
        "logp": [score for _, score in ranked],
    }


def _load_predictor(directory: Source) -> _Predictor:
    found = read_model(directory)
    folder = Path(directory) if isinstance(directory, (str, os.PathLike)) else None
    if folder is None or not folder.is_dir():
        return _Predictor(*build_language_model(found))
    if not found.weights.has_softmax and (folder / _CHECKPOINT).is_file():
        # Weights for embedding alone lie beside the checkpoint of the whole model.
        found = read_model(folder / _CHECKPOINT)
    packed = folder / _PACKED_VOCABULARY
    if found.vocabulary is None and packed.is_file():
        lines = Vocabulary(packed)
        words = [lines.id_to_word(number) for number in range(lines.size)]
        vocabulary = PredictedWords(words, where=str(packed))
        check_vocabulary(vocabulary, found.weights, path=packed)
        found = Exportable(found.weights, vocabulary)
    return _Predictor(*build_language_model(found))
