"""A batcher that exchanges names in the training text, so that entity recognizers find names they never saw."""

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from spacy.tokens import Doc, Span
from spacy.training import Example

from .errors import ElmoError, Errors, check_number

__all__ = ["make_entity_variants"]

Batcher = Callable[[Iterable[Example]], Iterable[list[Example]]]
# (text, whether a space follows) of a token.
Piece = tuple[str, bool]
# The annotations of tokens that do not depend on their texts.
_ATTRIBUTES: list[int | str] = ["TAG", "POS", "MORPH", "HEAD", "DEP", "SENT_START"]
_ATTRIBUTES += ["ENT_IOB", "ENT_TYPE", "ENT_KB_ID", "ENT_ID"]
_MOST_NAMES = 100_000


class Name(NamedTuple):
    """A mention of an entity.

    reference (Sequence[Piece]): Its tokens in the annotated Doc.
    predicted (Sequence[Piece]): Its tokens in the pipeline's Doc.
    kb_id (int): Its ID in a knowledge base.
    """

    reference: Sequence[Piece]
    predicted: Sequence[Piece]
    kb_id: int


class Swap(NamedTuple):
    """An entity and the name to put in its place.

    entity (Span): The entity in the annotated Doc.
    predicted (Span): The same text in the pipeline's Doc.
    name (Name): The new name.
    """

    entity: Span
    predicted: Span
    name: Name


def make_entity_variants(
    batcher: Batcher, swap: float = 0.8, lower: float = 0.1, keep_empty: float = 1.0
) -> "EntityVariants":
    """Make a batcher that varies the names in a training corpus, registered as spacy-elmo.entity_variants.v1.

    spaCy calls it once an epoch, and each call draws other names.

    batcher (Callable): The batcher for the varied examples.
    swap (float): The share of the examples in which entities are exchanged. Each is replaced by a random one with
        the same label and number of tokens from all of the text. The new name brings its ID, and is its own lemma;
        the other annotations stay, except custom attributes, which are lost.
    lower (float): The share of the examples that become lower case.
    keep_empty (float): The share that is kept of the annotated examples without entities. A smaller share makes a
        recognizer find more entities, and more wrong ones.
    RETURNS (Callable): A function from the examples of an epoch to batches.
    RAISES (ElmoError): If a share is not from 0 to 1.
    """
    for name, got in (("swap", swap), ("lower", lower), ("keep_empty", keep_empty)):
        check_number(name, got, low=0, high=1)
    return EntityVariants(batcher=batcher, swap=swap, lower=lower, keep_empty=keep_empty)


class EntityVariants:
    """Varies the names in a training corpus; see `make_entity_variants`.

    It draws from Python's random numbers, as spaCy's shuffling does.

    batcher (Batcher): The batcher for the varied examples.
    swap (float): The share of the examples in which entities are exchanged.
    lower (float): The share of the examples that become lower case.
    keep_empty (float): The share that is kept of the annotated examples without entities.
    """

    def __init__(self, *, batcher: Batcher, swap: float, lower: float, keep_empty: float):
        """Hold the settings.

        batcher (Batcher): As for `make_entity_variants`.
        swap (float): As for `make_entity_variants`.
        lower (float): As for `make_entity_variants`.
        keep_empty (float): As for `make_entity_variants`.
        """
        self.batcher = batcher
        self.swap = swap
        self.lower = lower
        self.keep_empty = keep_empty
        self._names: dict[tuple[int, int], list[Name]] = defaultdict(list)
        self._known: set[tuple[int, str]] = set()

    def __call__(self, examples: Iterable[Example]) -> Iterable[list[Example]]:
        """Make the batches of an epoch.

        examples (Iterable[Example]): The examples of the corpus.
        RETURNS (Iterable[list[Example]]): The batches.
        RAISES (ElmoError): If `keep_empty` leaves no example.
        """
        return self.batcher(self.variants(examples))

    def variants(self, examples: Iterable[Example]) -> Iterator[Example]:
        """Vary the examples of an epoch. All names of a list can be drawn from the start, those of a stream later.

        examples (Iterable[Example]): The examples of the corpus.
        YIELDS (Example): The examples that are used.
        RAISES (ElmoError): If `keep_empty` leaves no example.
        """
        streamed = not isinstance(examples, list)
        for example in [] if streamed else examples:
            self._learn(example)
        n_read = n_used = 0
        for example in examples:
            n_read += 1
            if streamed:
                self._learn(example)
            if not _is_empty(example) or random.random() < self.keep_empty:
                n_used += 1
                yield self.variant(example)
        if n_read and not n_used:
            # spaCy would wait for a batch for ever.
            raise ElmoError(Errors.EL125.format(keep_empty=self.keep_empty, n_read=n_read))

    def variant(self, example: Example) -> Example:
        """Vary an example.

        example (Example): The example.
        RETURNS (Example): The example, or a new one with other names or in lower case.
        """
        swaps = self._draw(example) if random.random() < self.swap else []
        lower = random.random() < self.lower
        if not swaps and not lower:
            return example
        predicted = example.predicted
        pieces = _exchange(_pieces(predicted), [(each.predicted, each.name.predicted) for each in swaps])
        return Example(_make_doc(predicted, pieces, lower=lower), _annotate(example.reference, swaps, lower=lower))

    def _draw(self, example: Example) -> list[Swap]:
        found = []
        for entity in example.reference.ents:
            predicted = _same_text(example, entity)
            names = self._names.get((entity.label, len(entity)))
            if predicted is not None and names:
                found.append(Swap(entity, predicted, random.choice(names)))
        return found

    def _learn(self, example: Example) -> None:
        for entity in example.reference.ents:
            predicted = _same_text(example, entity)
            # The names of an endless stream would fill the memory.
            if predicted is None or len(self._known) >= _MOST_NAMES:
                continue
            if (entity.label, entity.text) not in self._known:
                self._known.add((entity.label, entity.text))
                name = Name(_pieces(entity), _pieces(predicted), entity.kb_id)
                self._names[(entity.label, len(entity))].append(name)


def _is_empty(example: Example) -> bool:
    return not example.reference.ents and example.reference.has_annotation("ENT_IOB")


def _same_text(example: Example, entity: Span) -> Span | None:
    """Find the entity in the pipeline's Doc; None if its tokens there extend beyond it."""
    span = example.predicted.char_span(entity.start_char, entity.end_char)
    return span if span is not None and span.text == entity.text else None


def _pieces(tokens: Doc | Span) -> list[Piece]:
    return [(token.text, bool(token.whitespace_)) for token in tokens]


def _exchange(pieces: list[Piece], names: Sequence[tuple[Span, Sequence[Piece]]]) -> list[Piece]:
    """Replace spans, given in order, by names; the space after a name stays as it was."""
    # From the end, because each replacement moves the tokens after it.
    for span, name in reversed(names):
        pieces[span.start : span.end] = [*name[:-1], (name[-1][0], pieces[span.end - 1][1])]
    return pieces


def _make_doc(doc: Doc, pieces: Sequence[Piece], *, lower: bool) -> Doc:
    """Make a Doc of these tokens; its spaces are unknown if those of `doc` are."""
    words = [text.lower() if lower else text for text, _ in pieces]
    spaces = None if doc.has_unknown_spaces else [space for _, space in pieces]
    return Doc(doc.vocab, words=words, spaces=spaces)


def _annotate(reference: Doc, swaps: Sequence[Swap], *, lower: bool) -> Doc:
    """Copy the reference's annotations to the same number of other words."""
    pieces = _exchange(_pieces(reference), [(each.entity, each.name.reference) for each in swaps])
    made = _make_doc(reference, pieces, lower=lower)
    annotations: Any = reference.to_array(_ATTRIBUTES)
    made.from_array(_ATTRIBUTES, annotations)
    made.cats = dict(reference.cats)
    for key, group in reference.spans.items():
        made.spans[key] = [
            Span(made, span.start, span.end, label=span.label, kb_id=span.kb_id, span_id=span.id) for span in group
        ]
    for token, old in zip(made, reference):
        token.lemma_ = old.lemma_
    entities = []
    for entity, _, name in swaps:
        entities.append(Span(made, entity.start, entity.end, label=entity.label, kb_id=name.kb_id))
        for token, (text, _) in zip(entities[-1], name.reference):
            token.lemma_ = text if token.lemma_ else ""
    made.set_ents(entities, default="unmodified")
    return made
