"""Training text made of the training text: for entity recognizers that are to find names which they never saw."""

import random
from collections import defaultdict
from typing import Any, Callable, Dict, Iterator, List, Set, Tuple, Union

from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example

from ..errors import Errors

Name = Tuple[str, ...]
# What a Doc says of its tokens, but for their texts.
_ATTRIBUTES: List[Union[int, str]] = ["TAG", "POS", "MORPH", "HEAD", "DEP", "SENT_START"]
_ATTRIBUTES += ["ENT_IOB", "ENT_TYPE", "ENT_KB_ID", "ENT_ID"]
_MOST_NAMES = 10_000


def make_entity_variants(
    swap: float = 0.5, lower: float = 0.1, keep_empty: float = 1.0
) -> Callable[[Language, Example], Iterator[Example]]:
    """An augmenter of a training corpus, registered as spacy-elmo.entity_variants.v1. Who has read a name
    forty times knows it by heart; who has read another in its place each time must have read the text around it.

    swap (float): share of the examples in which every entity becomes another one of its label and number of tokens
        that the training text has had so far.
    lower (float): share of the examples that become lower case.
    keep_empty (float): share of the examples without entities that are used. Fewer make a recognizer find more,
        and more of it wrong.
    RETURNS (Callable): (nlp, Example) -> the examples to train on, one or none.
    RAISES (ValueError): for a share that is not from 0 to 1.
    """
    for name, got in (("swap", swap), ("lower", lower), ("keep_empty", keep_empty)):
        if not 0 <= got <= 1:
            raise ValueError(Errors.EL098.format(name=name, got=got, low=0, high="to 1"))
    return EntityVariants(swap=swap, lower=lower, keep_empty=keep_empty)


class EntityVariants:
    """See `make_entity_variants`. Draws from Python's random numbers, as spaCy's augmenters do."""

    def __init__(self, *, swap: float, lower: float, keep_empty: float):
        self.swap = swap
        self.lower = lower
        self.keep_empty = keep_empty
        self._names: Dict[Tuple[str, int], List[Name]] = defaultdict(list)
        self._known: Set[Tuple[str, Name]] = set()

    def __call__(self, nlp: Language, example: Example) -> Iterator[Example]:
        reference = example.reference
        if not reference.ents and reference.has_annotation("ENT_IOB") and random.random() >= self.keep_empty:
            return
        self._learn(reference)
        words = [token.text for token in reference]
        if random.random() < self.swap:
            for entity in reference.ents:
                words[entity.start : entity.end] = random.choice(self._names[(entity.label_, len(entity))])
        if random.random() < self.lower:
            words = [word.lower() for word in words]
        if words == [token.text for token in reference]:
            yield example
        else:
            variant = _with_words(reference, words)
            yield Example(nlp.make_doc(variant.text), variant)

    def _learn(self, reference: Doc) -> None:
        for entity in reference.ents:
            name = tuple(token.text for token in entity)
            names = self._names[(entity.label_, len(name))]
            # Without end, it would grow with the corpus.
            if (entity.label_, name) not in self._known and (not names or len(self._known) < _MOST_NAMES):
                self._known.add((entity.label_, name))
                names.append(name)


def _with_words(reference: Doc, words: List[str]) -> Doc:
    """The same annotations on other words, as many."""
    spaces = [bool(token.whitespace_) for token in reference]
    made = Doc(reference.vocab, words=words, spaces=spaces)
    annotations: Any = reference.to_array(_ATTRIBUTES)
    made.from_array(_ATTRIBUTES, annotations)
    made.cats = dict(reference.cats)
    for key, group in reference.spans.items():
        made.spans[key] = [
            Span(made, span.start, span.end, label=span.label, kb_id=span.kb_id, span_id=span.id) for span in group
        ]
    for token, old in zip(made, reference):
        # A name is its own lemma.
        token.lemma_ = token.text if old.lemma_ and token.lower != old.lower else old.lemma_
    return made
