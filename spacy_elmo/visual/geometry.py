"""The mathematics of pictures: cosines, nearest tokens, principal components, and what changes between layers."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Numbers = NDArray[np.integer]

# Cosines that are held at a time: 64 MiB in float32.
_CELLS = 1 << 24


class Nearest(NamedTuple):
    """The nearest tokens of each token, the most similar first.

    rows (Numbers): (n_tokens, k), the numbers of the tokens; -1 where there is no other.
    cosines (Floats): (n_tokens, k).
    """

    rows: Numbers
    cosines: Floats


def normalize_rows(array: Floats) -> Floats:
    """Scale each row to length 1; a row of zeros, or one that is not finite, becomes zeros.

    array (Floats): (n, width).
    RETURNS (Floats): (n, width), float32.
    """
    wide = np.where(np.isfinite(array).all(axis=1, keepdims=True), array, 0.0).astype(np.float64)
    # Squares of large numbers would overflow.
    wide /= np.maximum(np.abs(wide).max(axis=1, keepdims=True, initial=0.0), np.finfo(np.float64).tiny)
    norms = np.linalg.norm(wide, axis=1, keepdims=True)
    return cast(Floats, (wide / np.where(norms == 0, 1.0, norms)).astype(np.float32))


def cosines(one: Floats, two: Floats) -> Floats:
    """Compute the cosine of each row of one array with each row of another.

    one (Floats): (n, width).
    two (Floats): (m, width).
    RETURNS (Floats): (n, m), from -1 to 1.
    """
    return np.asarray(np.clip(normalize_rows(one) @ normalize_rows(two).T, -1.0, 1.0))


def find_nearest(array: Floats, sentences: Sequence[int], *, k: int, same_sentence: bool) -> Nearest:
    """Find the tokens with the most similar vectors.

    array (Floats): (n_tokens, width).
    sentences (Sequence[int]): The number of each token's sentence.
    k (int): How many to find.
    same_sentence (bool): Whether tokens of the same sentence count.
    RETURNS (Nearest): Of each token.
    """
    units, groups = normalize_rows(array), np.asarray(sentences)
    n_tokens = len(units)
    k = min(k, n_tokens)
    rows, values = np.full((n_tokens, k), -1), np.zeros((n_tokens, k), np.float32)
    for start, end in _blocks(n_tokens):
        found = units[start:end] @ units.T
        own = np.arange(start, end)
        if same_sentence:
            found[own - start, own] = -np.inf
        else:
            found[groups[own, None] == groups[None]] = -np.inf
        if k == 0:
            continue
        top = np.sort(np.argpartition(-found, k - 1, axis=1)[:, :k], axis=1)
        order = np.argsort(-np.take_along_axis(found, top, axis=1), axis=1, kind="stable")
        top = np.take_along_axis(top, order, axis=1)
        best = np.take_along_axis(found, top, axis=1)
        rows[start:end] = np.where(np.isfinite(best), top, -1)
        values[start:end] = np.where(np.isfinite(best), np.clip(best, -1.0, 1.0), 0.0)
    return Nearest(rows, values)


def project(array: Floats) -> tuple[Floats, tuple[float, float]]:
    """Project vectors to their first two principal components (Pearson 1901).

    array (Floats): (n, width), one row at least.
    RETURNS (tuple[Floats, tuple[float, float]]): (n, 2); and the share of the variance along each. The largest
        coordinate along a component is positive, which makes its direction unique.
    """
    wide = np.where(np.isfinite(array), array, 0.0).astype(np.float64)
    centred = wide - wide.mean(axis=0, keepdims=True)
    if len(centred) <= centred.shape[1]:
        left, values, _ = np.linalg.svd(centred, full_matrices=False)
        found = left[:, :2] * values[:2]
    else:
        # Of many vectors, this matrix is the smaller one.
        _, vectors = np.linalg.eigh(centred.T @ centred)
        found = centred @ vectors[:, ::-1][:, :2]
    coordinates = np.zeros((len(centred), 2))
    coordinates[:, : found.shape[1]] = found
    total = float(np.square(centred).sum())
    if total <= 1e-12 * max(1.0, float(np.square(wide).sum())):
        return np.zeros_like(coordinates), (0.0, 0.0)
    for column in coordinates.T:
        if column[np.argmax(np.abs(column).round(9))] < 0:
            column *= -1
    first, second = np.square(coordinates).sum(axis=0) / total
    return coordinates, (float(first), float(second))


def measure_turn(before: Floats, after: Floats) -> Floats:
    """Measure how far each vector turns from one layer to the next.

    before (Floats): (n, width), or (n, width / 2) for word_emb, which counts twice, once for each direction.
    after (Floats): (n, width).
    RETURNS (Floats): (n,), 1 minus the cosine.
    """
    if before.shape[1] * 2 == after.shape[1]:
        before = np.concatenate([before, before], axis=1)
    products = np.sum(normalize_rows(before) * normalize_rows(after), axis=1)
    return np.asarray(1.0 - np.clip(products, -1.0, 1.0))


def measure_relations(before: Floats, after: Floats) -> Floats:
    """Measure how far each token's similarities to all other tokens change from one layer to the next.

    before (Floats): (n, width), or any other width.
    after (Floats): (n, width).
    RETURNS (Floats): (n,), 1 minus the correlation of its cosines before with those after; NaN if there are fewer
        than two other tokens, or all are alike.
    """
    one, two = normalize_rows(before), normalize_rows(after)
    result = np.full(len(one), np.nan)
    others = len(one) - 1
    if others < 2:
        return result
    for start, end in _blocks(len(one)):
        own = np.arange(start, end)
        pair = []
        for units in (one, two):
            found = (units[start:end] @ units.T).astype(np.float64)
            # A token's cosine with itself says nothing.
            found[own - start, own] = 0.0
            found -= found.sum(axis=1, keepdims=True) / others
            found[own - start, own] = 0.0
            pair.append(found)
        product = np.sum(pair[0] * pair[1], axis=1)
        size = np.sqrt(np.square(pair[0]).sum(axis=1) * np.square(pair[1]).sum(axis=1))
        known = size > 1e-9 * others
        result[start:end][known] = 1.0 - np.clip(product[known] / size[known], -1.0, 1.0)
    return result


def _blocks(n_rows: int) -> Iterator[tuple[int, int]]:
    height = max(1, _CELLS // max(1, n_rows))
    for start in range(0, n_rows, height):
        yield start, min(n_rows, start + height)
