"""Other names in the training text at each epoch, for entity recognizers that are to find names they never saw."""

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from spacy.tokens import Doc, Span
from spacy.training import Example

from .errors import Errors, check_number

Batcher = Callable[[Iterable[Example]], Iterable[list[Example]]]
# (text, whether a space follows) of a token.
Piece = tuple[str, bool]
# What a Doc says of its tokens, but for their texts.
_ATTRIBUTES: list[int | str] = ["TAG", "POS", "MORPH", "HEAD", "DEP", "SENT_START"]
_ATTRIBUTES += ["ENT_IOB", "ENT_TYPE", "ENT_KB_ID", "ENT_ID"]
_MOST_NAMES = 100_000


class Name(NamedTuple):
    """A mention of an entity: its tokens as annotated, those that the pipeline splits it into, and its ID."""

    reference: Sequence[Piece]
    predicted: Sequence[Piece]
    kb_id: int


class Swap(NamedTuple):
    """entity: in the annotated Doc. predicted: the same text in the other Doc. name: to stand there."""

    entity: Span
    predicted: Span
    name: Name


def make_entity_variants(
    batcher: Batcher, swap: float = 0.8, lower: float = 0.1, keep_empty: float = 1.0
) -> "EntityVariants":
    """A batcher for training, around another one, registered as spacy-elmo.entity_variants.v1. spaCy calls it once
    an epoch: what is drawn is drawn anew each time.

    batcher (Callable): what makes batches of the examples then.
    swap (float): share of the examples in which entities are exchanged. In place of each comes one that is drawn
        from those of its label and number of tokens in all of the text. It brings its ID, and is its own lemma;
        other annotations stay with the place, but for custom attributes, which are not carried over.
    lower (float): share of the examples that become lower case.
    keep_empty (float): share of the examples that are used, of those which are annotated and have no entity. Fewer
        make a recognizer find more, and more of it wrong.
    RETURNS (Callable): examples of an epoch -> batches.
    RAISES (ValueError): for a share that is not from 0 to 1.
    """
    for name, got in (("swap", swap), ("lower", lower), ("keep_empty", keep_empty)):
        check_number(name, got, low=0, high=1)
    return EntityVariants(batcher=batcher, swap=swap, lower=lower, keep_empty=keep_empty)


class EntityVariants:
    """See `make_entity_variants`. Draws from Python's random numbers, as spaCy's own shuffling does."""

    def __init__(self, *, batcher: Batcher, swap: float, lower: float, keep_empty: float):
        self.batcher = batcher
        self.swap = swap
        self.lower = lower
        self.keep_empty = keep_empty
        self._names: dict[tuple[int, int], list[Name]] = defaultdict(list)
        self._known: set[tuple[int, str]] = set()

    def __call__(self, examples: Iterable[Example]) -> Iterable[list[Example]]:
        """RAISES: ValueError if `keep_empty` leaves no example."""
        return self.batcher(self.variants(examples))

    def variants(self, examples: Iterable[Example]) -> Iterator[Example]:
        """The examples of an epoch. A list's names are all known from the start, a stream's as they come."""
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
            # spaCy would look for a batch for ever.
            raise ValueError(Errors.EL125.format(keep_empty=self.keep_empty, n_read=n_read))

    def variant(self, example: Example) -> Example:
        """The example, or another one in its place."""
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
            # Without end, a stream's names would fill the memory.
            if predicted is None or len(self._known) >= _MOST_NAMES:
                continue
            if (entity.label, entity.text) not in self._known:
                self._known.add((entity.label, entity.text))
                name = Name(_pieces(entity), _pieces(predicted), entity.kb_id)
                self._names[(entity.label, len(entity))].append(name)


def _is_empty(example: Example) -> bool:
    return not example.reference.ents and example.reference.has_annotation("ENT_IOB")


def _same_text(example: Example, entity: Span) -> Span | None:
    """The entity in the Doc that the pipeline makes; None if its tokens are not that entity's alone."""
    span = example.predicted.char_span(entity.start_char, entity.end_char)
    return span if span is not None and span.text == entity.text else None


def _pieces(tokens: Doc | Span) -> list[Piece]:
    return [(token.text, bool(token.whitespace_)) for token in tokens]


def _exchange(pieces: list[Piece], names: Sequence[tuple[Span, Sequence[Piece]]]) -> list[Piece]:
    """Tokens with these names in place of the spans, in order. What follows a name follows the new one."""
    # From the end on, or the places of those to come would move.
    for span, name in reversed(names):
        pieces[span.start : span.end] = [*name[:-1], (name[-1][0], pieces[span.end - 1][1])]
    return pieces


def _make_doc(doc: Doc, pieces: Sequence[Piece], *, lower: bool) -> Doc:
    """These tokens, and whether their spaces are known, as in `doc`."""
    words = [text.lower() if lower else text for text, _ in pieces]
    spaces = None if doc.has_unknown_spaces else [space for _, space in pieces]
    return Doc(doc.vocab, words=words, spaces=spaces)


def _annotate(reference: Doc, swaps: Sequence[Swap], *, lower: bool) -> Doc:
    """The reference's annotations on other words, as many."""
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
