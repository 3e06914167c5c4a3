"""Find the folder inside another one that has the model: an only one, or that of a cache of Hugging Face's."""

from collections.abc import Sequence
from pathlib import Path

from ..bilm.fields import show
from ..errors import ElmoError, Errors
from .model_files import drop_links

# A repository in Hugging Face's cache: models--owner--name/snapshots/<revision>/..., links to files in blobs
# (huggingface_hub, "Understand caching").
_REPOSITORY, _SNAPSHOTS, _BESIDE = "models--", "snapshots", ("blobs", "refs")


def find_inner_folder(folder: Path, inside: Sequence[Path]) -> Path | None:
    """Find the folder to search after one without a model.

    folder (Path): The folder.
    inside (Sequence[Path]): What is in it, but for hidden files.
    RETURNS (Path | None): The folder that is all of its content, under whatever names; in Hugging Face's cache,
        the only repository or the only snapshot. None if there is no such folder.
    RAISES (ElmoError): If a repository of that cache has several snapshots.
    """
    folders = drop_links(path for path in inside if path.is_dir())
    if folder.name == _SNAPSHOTS and len(folders) > 1:
        names = ", ".join(show(path.name) for path in folders[:8])
        raise ElmoError(Errors.EL294.format(path=folder, n=len(folders), names=names))
    named = {path.name: path for path in folders}
    if _SNAPSHOTS in named and any(name in named for name in _BESIDE):
        return named[_SNAPSHOTS]
    # Beside the repositories, the cache has a file with its version.
    is_cache = any(path.name.startswith(_REPOSITORY) for path in folders)
    has_files = not is_cache and any(not path.is_dir() for path in inside)
    return folders[0] if len(folders) == 1 and not has_files else None
