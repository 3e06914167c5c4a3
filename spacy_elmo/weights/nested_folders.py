"""Find the folder inside another one that has the model: an only one, or that of a cache of Hugging Face's."""

from collections.abc import Sequence
from pathlib import Path

from ..errors import ElmoError, ElmoFileNotFoundError, Errors
from .model_files import drop_links, show_names

# A repository in Hugging Face's cache: models--owner--name/snapshots/<revision>/..., links to files in blobs
# (huggingface_hub, "Understand caching").
_REPOSITORY, _SNAPSHOTS, _BLOBS, _REFS = "models--", "snapshots", "blobs", "refs"
# The ending of a file there whose download is not finished.
_UNFINISHED = ".incomplete"


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
        raise ElmoError(Errors.EL294.format(path=folder, n=len(folders), names=show_names(folders)))
    named = {path.name: path for path in folders}
    if _SNAPSHOTS in named and not named.keys().isdisjoint((_BLOBS, _REFS)):
        return named[_SNAPSHOTS]
    # Beside the repositories, the cache has a file with its version.
    is_cache = any(path.name.startswith(_REPOSITORY) for path in folders)
    has_files = not is_cache and any(not path.is_dir() for path in inside)
    return folders[0] if len(folders) == 1 and not has_files else None


def find_unfinished(folder: Path) -> ElmoFileNotFoundError | None:
    """Find out whether a snapshot in Hugging Face's cache lacks files because a download was interrupted.

    folder (Path): The folder, in which there is no model.
    RETURNS (ElmoFileNotFoundError | None): The error that says so; None if it is another folder, or is complete.
    """
    repository = folder.absolute().parent.parent
    blobs = repository / _BLOBS
    if folder.parent.name != _SNAPSHOTS or not blobs.is_dir():
        return None
    names = [path for path in sorted(blobs.iterdir()) if path.name.endswith(_UNFINISHED)]
    owned = repository.name.removeprefix(_REPOSITORY).replace("--", "/")
    facts = {"blobs": blobs, "names": show_names(names), "repository": owned}
    return ElmoFileNotFoundError(Errors.EL303.format(path=folder, **facts)) if names else None
