"""Small models in the place of published ones: where these would be downloaded to."""

import shutil
from pathlib import Path

from spacy_elmo.weights.fetch.model_cache import model_folder

# A published model of English prose, an archive: whatever is in its folder is taken for its content.
ENGLISH = "sparknlp/elmo"


def put_in_cache(folder: Path, name: str = ENGLISH) -> Path:
    """Copy a model into the cache, as that of this name; returns the new folder."""
    return Path(shutil.copytree(folder, model_folder(name)))
