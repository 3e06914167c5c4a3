"""The files of a repository on Hugging Face, by way of its own library."""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from ...errors import ElmoConnectionError, ElmoError, ElmoFileNotFoundError, ElmoImportError, Errors
from ..addresses import is_file_name
from ..releases import File
from ..repositories import HOST, Repository
from ..urls import hide_secrets
from .attempt import MOST_BYTES

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo, RepoSibling

# The variables of Hugging Face's own programs.
ENDPOINT_VARIABLE = "HF_ENDPOINT"
OFFLINE_VARIABLE = "HF_HUB_OFFLINE"

# Files that only an ELMo has (tf_model.h5 is a transformer's), archives that may hold one, and files that belong
# to one.
_SURE = re.compile(
    r".*options[^/]*\.json|options_file|weights\.th|encoder\.pkl|.*\.hdf5|(?!tf_model).*\.h5", re.IGNORECASE
)
_ARCHIVE = re.compile(r".*\.(?:zip|tar|tgz|tbz2|txz|tar\.(?:gz|bz2|xz))", re.IGNORECASE)
_PART = re.compile(
    r"config\.json|cnn_.*\.json|weights_file|token_embedder\.pkl|checkpoint|saved_model\.pb"
    r"|.*\.(?:safetensors|dic|index)|.*vocab.*\.txt|.*\.data-\d+-of-\d+",
    re.IGNORECASE,
)
# Names of files in a message.
_SHOWN = 8
_NOT_FOUND = 404
_NO_LIST = "got something else instead of a list of files"


def list_files(repository: Repository) -> tuple[tuple[File, ...], Mapping[str, str]]:
    """List the files of a model, and the headers with which they may be downloaded.

    repository (Repository): The repository.
    RETURNS (tuple[tuple[File, ...], Mapping[str, str]]): The files, and the header with the user's token if there
        is one.
    RAISES (ImportError): If Hugging Face's library is not installed.
    RAISES (FileNotFoundError): If there is no such repository, or no ELMo in it.
    RAISES (ConnectionError): If Hugging Face cannot be reached.
    """
    hub = _import_hub(repository)
    endpoint = os.environ.get(ENDPOINT_VARIABLE) or f"https://{HOST}"
    found = _ask(hub, repository, endpoint)
    siblings = _select(found.siblings or (), repository)
    size = sum(sibling.size or 0 for sibling in siblings)
    if size > MOST_BYTES:
        raise ElmoError(Errors.EL284.format(name=repository.name, size=size, most=MOST_BYTES))
    # By the commit, so that all files are of one version.
    commit = found.sha or repository.revision
    files = [_make_file(hub, sibling, repository, commit, endpoint) for sibling in siblings]
    headers = hub.utils.build_hf_headers()
    return tuple(files), {name: value for name, value in headers.items() if name.lower() == "authorization"}


def _ask(hub: ModuleType, repository: Repository, endpoint: str) -> "ModelInfo":
    """Ask Hugging Face, or another server with its interface, for the list of a repository's files."""
    names = {"name": repository.name, "what": "repository"}
    try:
        found: ModelInfo = hub.HfApi(endpoint=endpoint).model_info(
            repository.repository, revision=repository.revision, files_metadata=True
        )
    except hub.errors.RevisionNotFoundError as error:
        names["what"] = f"revision '{repository.revision}'"
        raise ElmoFileNotFoundError(Errors.EL281.format(**names)) from error
    except Exception as error:  # its HTTP library has errors of its own
        status = getattr(getattr(error, "response", None), "status_code", None)
        # Other servers than Hugging Face's do not say what it is that was not found.
        if isinstance(error, hub.errors.RepositoryNotFoundError) or status == _NOT_FOUND:
            raise ElmoFileNotFoundError(Errors.EL281.format(**names)) from error
        is_other = isinstance(error, (LookupError, TypeError, AttributeError))
        reason = _NO_LIST if is_other else hide_secrets(str(error) or type(error).__name__, endpoint)
        raise ElmoConnectionError(Errors.EL283.format(name=repository.name, reason=reason)) from error
    for sibling in found.siblings or ():
        is_size = sibling.size is None or (isinstance(sibling.size, int) and sibling.size >= 0)
        if not isinstance(sibling.rfilename, str) or not is_size:
            raise ElmoConnectionError(Errors.EL283.format(name=repository.name, reason=_NO_LIST))
    return found


def find_snapshot(repository: Repository) -> Path | None:
    """Find a repository in Hugging Face's own cache, where other programs may have put it.

    repository (Repository): The repository.
    RETURNS (Path | None): Its folder; None if it is not there.
    """
    try:
        hub = _import_hub(repository)
        folder = hub.snapshot_download(repository.repository, revision=repository.revision, local_files_only=True)
    except Exception:  # not there, or not in a form that the library knows
        return None
    path = Path(folder, repository.folder)
    return path if path.is_dir() else None


def is_offline() -> bool:
    """Check whether Hugging Face's own variable forbids requests.

    RETURNS (bool): Whether it does.
    """
    return os.environ.get(OFFLINE_VARIABLE, "").upper() in ("1", "ON", "YES", "TRUE")


def _import_hub(repository: Repository) -> ModuleType:
    try:
        import huggingface_hub
        import huggingface_hub.errors
        import huggingface_hub.utils
    except ImportError as error:
        raise ElmoImportError(Errors.EL278.format(name=repository.name)) from error
    module: ModuleType = huggingface_hub
    return module


def _select(siblings: "Iterable[RepoSibling]", repository: Repository) -> "list[RepoSibling]":
    """Select the files of the one model in the repository, or in its folder."""
    by_folder: dict[str, list[RepoSibling]] = {}
    for sibling in siblings:
        folder, _, _ = sibling.rfilename.rpartition("/")
        by_folder.setdefault(folder, []).append(sibling)
    wanted = repository.folder
    own = {folder: found for folder, found in by_folder.items() if _holds_elmo(found)}
    if wanted or "" in own or not own:
        chosen = own.get(wanted, [])
    elif len(own) == 1:
        chosen = next(iter(own.values()))
    else:
        folders = ", ".join(f"hf://{repository.repository}/{folder}" for folder in sorted(own)[:_SHOWN])
        raise ElmoError(Errors.EL277.format(name=repository.name, found=folders))
    if not chosen:
        names = sorted(sibling.rfilename for found in by_folder.values() for sibling in found)
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        found = ", ".join(names[:_SHOWN]) + more or "nothing"
        raise ElmoFileNotFoundError(Errors.EL282.format(name=repository.name, found=found))
    parts = [one for one in chosen if _SURE.fullmatch(_name(one)) or _PART.fullmatch(_name(one))]
    # An archive beside the files of a model is their copy.
    return (
        parts
        if any(_SURE.fullmatch(_name(one)) for one in parts)
        else [one for one in chosen if _ARCHIVE.fullmatch(_name(one))]
    )


def _holds_elmo(siblings: "Iterable[RepoSibling]") -> bool:
    return any(_SURE.fullmatch(_name(one)) or _ARCHIVE.fullmatch(_name(one)) for one in siblings)


def _name(sibling: "RepoSibling") -> str:
    return sibling.rfilename.rpartition("/")[2]


def _make_file(
    hub: ModuleType, sibling: "RepoSibling", repository: Repository, commit: str, endpoint: str
) -> File:
    name = _name(sibling)
    if not is_file_name(name):
        raise ElmoError(Errors.EL288.format(name=repository.name, file=ascii(sibling.rfilename)[1:-1]))
    url = hub.hf_hub_url(repository.repository, sibling.rfilename, revision=commit, endpoint=endpoint)
    return File(
        f"{repository.repository}/{name}",
        (url,),
        size=sibling.size,
        sha256=sibling.lfs.sha256 if sibling.lfs is not None else None,
    )
