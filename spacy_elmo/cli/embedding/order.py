"""In which order the sentences of inputs are computed; they are written in the order of the files."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator

from ...bilm.layers import LayerOutputs
from ...inputs.items import InputSentence
from ...util.batching import windows
from .content import Array, Content, Embedded

# The most bytes of vectors that wait for others.
HELD_BYTES = 256 << 20
# Of a token that was read: a pointer, a character of the text, and what its list needs.
_TOKEN_BYTES = 16

# Computes the layers of sentences, in their order, while it reads ahead.
Stream = Callable[[Iterable[list[str]]], Iterator[LayerOutputs]]
# Computes the layers of a batch.
EmbedBatch = Callable[[list[list[str]]], list[LayerOutputs]]
# Called with the share of the input that is done and the number of tokens, for each sentence that was computed.
Count = Callable[[float, int], None]


def embed_in_order(
    sentences: Iterable[InputSentence], stream: Stream, content: Content, count: Count
) -> Iterator[Embedded]:
    """Embed sentences in the order of the files.

    sentences (Iterable[InputSentence]): The sentences.
    stream (Stream): Computes their layers.
    content (Content): What is written of each.
    count (Count): Called for each sentence.
    YIELDS (Embedded): What is written of each sentence.
    """
    # `stream` reads ahead: sentences wait here for their outputs.
    waiting: deque[InputSentence] = deque()

    def read_tokens() -> Iterator[list[str]]:
        for sentence in sentences:
            waiting.append(sentence)
            yield sentence.visible

    for outputs in stream(read_tokens()):
        yield _select(waiting.popleft(), outputs, content, count)


def embed_batches(
    sentences: Iterable[InputSentence], embed: EmbedBatch, content: Content, count: Count, *, size: int
) -> Iterator[Embedded]:
    """Embed batches of a given size, where the batches affect the vectors.

    sentences (Iterable[InputSentence]): The sentences.
    embed (EmbedBatch): Computes the layers of a batch.
    content (Content): What is written of each.
    count (Count): Called for each sentence.
    size (int): Sentences in a batch.
    YIELDS (Embedded): What is written of each sentence.
    """
    for batch in windows(sentences, size=lambda _: 1, budget=size):
        outputs = embed([sentence.visible for sentence in batch])
        for sentence, own in zip(batch, outputs, strict=True):
            yield _select(sentence, own, content, count)


def embed_by_length(
    sequences: Iterable[InputSentence], stream: Stream, content: Content, count: Count
) -> Iterator[Embedded]:
    """Embed sequences in the order of their lengths, as far as memory allows.

    A batch runs as long as its longest sentence: beside a protein of thousands of residues, few rows run most of
    the time. Sequences of about one length end together.

    sequences (Iterable[InputSentence]): The sequences, none of which is empty.
    stream (Stream): Computes their layers.
    content (Content): What is written of each.
    count (Count): Called for each sequence.
    YIELDS (Embedded): What is written of each sequence, in the order of the files.
    """
    row_bytes = content.count_bytes()

    def size(sentence: InputSentence) -> int:
        n_residues = len(sentence.tokens)
        return _TOKEN_BYTES * n_residues + row_bytes * (n_residues if content.pool is None else 1)

    waiting: deque[tuple[_Window, int]] = deque()

    def read_tokens() -> Iterator[list[str]]:
        before = 0.0
        for number, group in enumerate(windows(sequences, size=size, budget=HELD_BYTES)):
            # The longest first, then the shortest: a batch that ends one window and begins the next has sequences
            # of about one length, too.
            window = _Window(group, before, longest_first=number % 2 == 0)
            before = group[-1].done
            for place in window.order:
                waiting.append((window, place))
                yield group[place].tokens

    for outputs in stream(read_tokens()):
        window, place = waiting.popleft()
        sequence = window.sentences[place]
        window.complete[place] = content.select(sequence, outputs)
        count(window.advance(len(sequence.tokens)), len(sequence.tokens))
        yield from window.pop_complete()


def _select(sentence: InputSentence, outputs: LayerOutputs, content: Content, count: Count) -> Embedded:
    columns = content.select(sentence, outputs)
    count(sentence.done, len(sentence.tokens))
    return Embedded(sentence, columns)


class _Window:
    """Consecutive sequences of a file.

    sentences (list[InputSentence]): The sequences.
    order (list[int]): Their places, in the order in which they are computed.
    complete (dict[int, dict[str, Array]]): What is written of those that were computed, by their places.
    """

    def __init__(self, sentences: list[InputSentence], before: float, *, longest_first: bool):
        """Sort sequences.

        sentences (list[InputSentence]): The sequences.
        before (float): The share of the input before them.
        longest_first (bool): Whether the longest is computed first, not the shortest.
        """
        lengths = [len(sentence.tokens) for sentence in sentences]
        self.sentences = sentences
        self.order = sorted(range(len(lengths)), key=lengths.__getitem__, reverse=longest_first)
        self.complete: dict[int, dict[str, Array]] = {}
        self._before, self._after = before, sentences[-1].done
        self._n_left = self._n_tokens = sum(lengths)

    def advance(self, n_tokens: int) -> float:
        """Count a sequence that was computed.

        n_tokens (int): Its tokens.
        RETURNS (float): The share of the input that is done.
        """
        self._n_left -= n_tokens
        return self._after - (self._after - self._before) * self._n_left / self._n_tokens

    def pop_complete(self) -> Iterator[Embedded]:
        """Take out what can be written.

        YIELDS (Embedded): All sequences if they are complete, in the order of the file; else nothing.
        """
        if len(self.complete) == len(self.sentences):
            for place, sentence in enumerate(self.sentences):
                yield Embedded(sentence, self.complete.pop(place))
