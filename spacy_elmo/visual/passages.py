"""What pictures are drawn of: the tokens of a text with their layers, from a Doc or without spaCy."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc, Span, Token

from ..bilm.layers import LayerOutputs
from ..errors import ElmoError, Errors, short_repr
from ..models.doc_layers import read_layers
from ..splitter import SplitSentence
from ..texts import TextOutputs

# What `groups` may be beside the attributes of tokens.
_CATEGORIES = "cats"


@dataclass(frozen=True)
class Passage:
    """A text with its layers.

    label (str): Its name in a picture.
    tokens (list[str]): The texts of its tokens, without whitespace tokens.
    spaces (list[bool]): Whether there is whitespace after each token.
    starts (list[int]): The first token of each sentence, from 0 up; [] if there is no token.
    layers (Mapping[str, NDArray]): (n_tokens, width) by name, lowest first; width is P for word_emb and 2P for the
        others.
    groups (list[str] | None): What each token's mark in a map stands for; None: the text.
    """

    label: str
    tokens: list[str]
    spaces: list[bool]
    starts: list[int]
    layers: Mapping[str, NDArray[np.floating]] = field(repr=False)
    groups: list[str] | None = None

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, rows: slice) -> "Passage":
        """Get the part of some tokens that follow each other."""
        first, end, _ = rows.indices(len(self))
        starts = [start - first for start in self.starts if first < start < end]
        return Passage(
            label=self.label,
            tokens=self.tokens[first:end],
            spaces=self.spaces[first:end],
            starts=[0, *starts] if end > first else [],
            layers={name: array[first:end] for name, array in self.layers.items()},
            groups=None if self.groups is None else self.groups[first:end],
        )

    def bounds(self) -> Iterator[tuple[int, int]]:
        """Yield the first token and the end of each sentence."""
        yield from pairwise([*self.starts, len(self)])


def read_passages(docs: object, *, groups: str | None = None) -> list[Passage]:
    """Read what was given to be drawn.

    docs (object): A Doc, a Span, a `TextOutputs` of `Elmo.embed_texts`, or several of them.
    groups (str | None): An attribute of spaCy's tokens, such as "pos_", or "cats" for the best category of a Doc:
        the groups of the tokens.
    RETURNS (list[Passage]): One for each.
    RAISES (ElmoError): If something else was given, has no layers or no such groups, or has layers of another
        model than the first.
    """
    given = [docs] if isinstance(docs, (Doc, Span, LayerOutputs)) else docs
    if isinstance(given, (str, bytes, Mapping)) or not isinstance(given, Iterable):
        raise ElmoError(Errors.EL327.format(got=short_repr(docs)))
    passages = [
        _read_passage(item, label=str(number), groups=groups) for number, item in enumerate(given, start=1)
    ]
    if not passages:
        raise ElmoError(Errors.EL327.format(got=short_repr(docs)))
    _check_same_layers(passages)
    return passages


def passage_of_sentences(
    sentences: Sequence[SplitSentence], outputs: Sequence[LayerOutputs], *, label: str
) -> Passage:
    """Make a passage of the sentences of a text.

    sentences (Sequence[SplitSentence]): The sentences; one at least.
    outputs (Sequence[LayerOutputs]): The layers of each.
    label (str): The name of the passage.
    RETURNS (Passage): The passage.
    """
    tokens: list[str] = []
    starts: list[int] = []
    places = [(start, start + len(token)) for s in sentences for start, token in zip(s.starts, s.tokens)]
    for sentence in sentences:
        starts.append(len(tokens))
        tokens += sentence.tokens
    spaces = [end < start for (_, end), (start, _) in pairwise([*places, (0, 0)])]
    layers = {name: np.concatenate([output[name] for output in outputs]) for name in outputs[0].names}
    return Passage(label=label, tokens=tokens, spaces=spaces, starts=starts, layers=layers)


def _read_passage(item: object, *, label: str, groups: str | None) -> Passage:
    if isinstance(item, TextOutputs):
        if groups is not None:
            raise ElmoError(Errors.EL338.format(got=repr(groups)))
        n_tokens = len(item.tokens)
        return Passage(
            label=label,
            tokens=item.tokens,
            spaces=[True] * n_tokens,
            starts=[0] if n_tokens else [],
            layers=dict(item.items()),
        )
    if not isinstance(item, (Doc, Span)):
        raise ElmoError(Errors.EL327.format(got=short_repr(item)))
    span = item[:] if isinstance(item, Doc) else item
    outputs = read_layers(span.doc)
    if outputs is None or not outputs.names:
        raise ElmoError(Errors.EL328.format(text=short_repr(span.text)))
    # Whitespace has no vector.
    words = [token for token in span if not token.is_space]
    rows = [token.i for token in words]
    has_space = [bool(token.whitespace_) or (token.i + 1 < span.end and token.nbor().is_space) for token in words]
    # A sentence may begin with whitespace.
    numbers = np.cumsum([bool(token.is_sent_start) for token in span])[[row - span.start for row in rows]]
    return Passage(
        label=str(span.doc.user_data.get("title") or label),
        tokens=[word.text for word in words],
        spaces=has_space,
        starts=[k for k in range(len(rows)) if k == 0 or numbers[k] != numbers[k - 1]],
        layers={name: _to_numpy(array)[rows] for name, array in outputs.items()},
        groups=None if groups is None else [_get_group(word, groups) for word in words],
    )


def _get_group(token: Token, name: str) -> str:
    """Get a token's group: the best category of its Doc, or an attribute."""
    if name == _CATEGORIES:
        categories = token.doc.cats
        return max(categories, key=lambda category: categories[category]) if categories else "–"
    value = getattr(token, name, None) if not name.startswith("__") else None
    if value is None or callable(value):
        raise ElmoError(Errors.EL338.format(got=repr(name)))
    return str(value) or "–"


def _to_numpy(array: NDArray[np.floating]) -> NDArray[np.floating]:
    # CuPy's arrays, on a GPU, do not become numpy's by themselves.
    get = getattr(array, "get", None)
    return np.asarray(array if get is None else get())


def _check_same_layers(passages: Sequence[Passage]) -> None:
    first = {name: array.shape[1] for name, array in passages[0].layers.items()}
    for passage in passages[1:]:
        other = {name: array.shape[1] for name, array in passage.layers.items()}
        if other != first:
            raise ElmoError(
                Errors.EL329.format(one=_describe(first), number=passage.label, other=_describe(other))
            )


def _describe(widths: Mapping[str, int]) -> str:
    return ", ".join(f"{name} ({width})" for name, width in widths.items())
