"""The per-user cache: warm states that were made for models stored without one."""

import hashlib
import os
import warnings
from pathlib import Path
from typing import Any, cast

import numpy as np

from ..bilm.options import Options
from ..errors import Warnings
from ..util.atomic import atomic_write
from ..util.files import check_regular
from .arrays import Arrays, Weights, encoder_shapes, warm_state_shapes

CACHE_VARIABLE = "SPACY_ELMO_CACHE"


def cache_folder() -> Path:
    """Where this user's cache is: the environment variable's folder, or where the system has caches."""
    if os.environ.get(CACHE_VARIABLE):
        return Path(os.environ[CACHE_VARIABLE]).expanduser()
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("spacy_elmo"))


def state_path(weights: Weights, *, text: Path, recipe: str) -> Path:
    """Where the warm state of these weights is kept. The name tells all that the state depends on: options and
    arrays of the biLM, the file of sentences, and the recipe, which is how a state is made of them."""
    digest = hashlib.sha256(f"{recipe}\n{weights.options.to_json()}\n".encode())
    digest.update(hashlib.sha256(text.read_bytes()).digest())
    for name in encoder_shapes(weights.options):
        array = np.ascontiguousarray(weights.arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.data)
    return cache_folder() / "warm_states" / f"{digest.hexdigest()}.npz"


def read_state(path: Path, options: Options) -> Arrays | None:
    """The arrays that `keep_state` wrote. RETURNS: None if there are none, or the file is damaged."""
    shapes = warm_state_shapes(options)
    try:
        # Arrays only, no pickles; and the archive has checksums of its own.
        check_regular(path)
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            state: Arrays = {name: archive[name] for name in shapes}
    except Exception:  # a damaged archive fails in many ways
        return None
    good = all(array.shape == shapes[name] and array.dtype == np.float32 for name, array in state.items())
    return state if good else None


def keep_state(path: Path, state: Arrays, *, source: str) -> None:
    """Write a state for `read_state`, or warn where that cannot be done. source: of the model, for the message."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **cast(Any, state))
    except OSError as error:
        text = Warnings.WL005.format(path=path.parent, reason=error, source=source, variable=CACHE_VARIABLE)
        warnings.warn(text, UserWarning, stacklevel=2)
