"""Saving and loading of a component. One that was saved with weights is loaded with these weights, or not at
all."""

import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar, cast

import srsly
from spacy import util
from spacy.vocab import Vocab

from ..bilm.fields import MOST_JSON
from ..bilm.options import OPTIONS_NAME
from ..elmo import Elmo
from ..errors import CodedError, ElmoError, Errors
from ..models.module import ElmoModelT, get_module
from ..util.atomic import atomic_write
from ..util.files import read_small
from ..weights.source import Source, read_weights
from .deferred_update import DeferredUpdate
from .pipeline_ref import PipelineRef

# In `cfg`: checksums of the weights that were saved with it; null: there are none.
WEIGHTS = "weights"
_RECORDED = {"arrays", "options"}
# The parts of a component, in the order in which spaCy reads them.
CFG, MODEL, VOCAB = "cfg", "model", "vocab"
PathT = str | Path
SelfT = TypeVar("SelfT", bound="SavedWithWeights")
R = TypeVar("R")


class SavedWithWeights:
    """A mixin for a component. `cfg` is written last, and has checksums of the weights: a process that dies
    while it saves leaves an incomplete folder, which is not loaded, but no component without its weights."""

    name: str
    vocab: Vocab
    model: ElmoModelT
    cfg: dict[str, object]
    _updates: DeferredUpdate
    load: Callable[[], Elmo]
    _pipeline: PipelineRef

    def complete_model(self) -> ElmoModelT:
        """Get the Thinc model, after its weights are read and a deferred step is taken.

        RETURNS (ElmoModelT): The model.
        RAISES (Exception): As `load`.
        """
        self.load()
        self._updates.apply_pending()
        return self.model

    @property
    def is_incomplete(self) -> bool:
        """Whether a copy of the model would lack weights, or a step."""
        return not get_module(self.model).has_weights or self._updates.pending_step is not None

    def source_before_initialize(self) -> Source | None:
        """Get the source that `nlp.initialize` would read instead of the component's, by the pipeline's config.

        RETURNS (Source | None): None if the config has none.
        """
        return self._pipeline.initial_source()

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """Save as bytes, including the weights; see `to_disk`.

        exclude (Iterable[str]): Parts that are not saved.
        RETURNS (bytes): What `from_bytes` reads.
        """
        from ..weights.formats import folder

        elmo = self._get_elmo_to_save() if MODEL not in exclude else None
        record = (
            {} if MODEL in exclude else {WEIGHTS: None if elmo is None else folder.checksum(elmo.named_arrays())}
        )
        writers: dict[str, Callable[[], bytes]] = {
            CFG: lambda: srsly.json_dumps({**self.cfg, **record}).encode(),
            VOCAB: lambda: self.vocab.to_bytes(exclude=exclude),
            MODEL: self.model.to_bytes,
        }
        data: bytes = util.to_bytes(writers, exclude)
        return data

    def from_bytes(self: SelfT, bytes_data: bytes, *, exclude: Iterable[str] = ()) -> SelfT:
        """Load from bytes.

        bytes_data (bytes): As from `to_bytes`.
        exclude (Iterable[str]): Parts that are not loaded.
        RETURNS (SavedWithWeights): The component itself.
        RAISES (ElmoError): If the weights are missing or damaged.
        """
        from ..weights.formats import folder

        self._updates.forget()
        record: dict[str, object] = {}

        def read_part(data: bytes, part: str, read: Callable[[bytes], R]) -> R:
            try:
                return read(data)
            except ValueError as error:
                if isinstance(error, CodedError):
                    raise
                what = f"their part '{part}' cannot be read ({error})"
                raise ElmoError(Errors.EL180.format(name=self.name, where="the bytes", what=what)) from error

        readers: dict[str, Callable[[bytes], object]] = {
            CFG: lambda data: record.update(read_part(data, CFG, srsly.json_loads)),
            VOCAB: lambda data: self.vocab.from_bytes(data, exclude=exclude),
            MODEL: lambda data: read_part(data, MODEL, self.model.from_bytes),
        }
        util.from_bytes(bytes_data, readers, exclude)
        expected = record.pop(WEIGHTS, None)
        self.cfg.update(record)
        if expected and MODEL not in exclude:
            module = get_module(self.model)
            if not module.has_weights:
                raise ElmoError(Errors.EL180.format(name=self.name, where="the bytes", what="there are none"))
            if folder.checksum(module.sync().named_arrays()) != expected:
                raise ElmoError(Errors.EL181.format(path="the bytes of a saved pipeline"))
        return self

    def to_disk(self, path: PathT, *, exclude: Iterable[str] = ()) -> None:
        """Save to a folder, whose subfolder `model` is also a source for `spacy_elmo.load`. Weights that have not
        been read are read now, if that needs no network; else a warning says that they are not saved.

        path (str | Path): The folder.
        exclude (Iterable[str]): Parts that are not saved.
        """
        from ..weights.formats import folder

        record: dict[str, object] = {}

        def write_model(to: Path) -> None:
            elmo = self._get_elmo_to_save()
            if elmo is None:
                # Weights of an earlier save must not be taken for those of this pipeline.
                folder.remove_folder(to)
                record[WEIGHTS] = None
            else:
                arrays = elmo.named_arrays()
                folder.write_folder(to, elmo.options, arrays)
                record[WEIGHTS] = {"arrays": folder.checksum(arrays), "options": _checksum(to / OPTIONS_NAME)}

        def write_cfg(to: Path) -> None:
            with atomic_write(to) as temporary:
                srsly.write_json(temporary, {**self.cfg, **record})

        if CFG not in exclude:
            (Path(path) / CFG).unlink(missing_ok=True)
        writers: dict[str, Callable[[Path], None]] = {
            VOCAB: lambda to: self.vocab.to_disk(to, exclude=exclude),
            MODEL: write_model,
            CFG: write_cfg,
        }
        util.to_disk(path, writers, exclude)

    def from_disk(self: SelfT, path: PathT, *, exclude: Iterable[str] = ()) -> SelfT:
        """Load from a folder. The weights are memory-mapped.

        path (str | Path): The folder.
        exclude (Iterable[str]): Parts that are not loaded.
        RETURNS (SavedWithWeights): The component itself.
        RAISES (ElmoError): If the folder is not complete, or the weights are missing or damaged.
        """
        self._updates.forget()
        record: dict[str, object] = {}

        def read_vocab(at: Path) -> None:
            self.vocab.from_disk(at, exclude=exclude)

        readers: dict[str, Callable[[Path], None]] = {
            CFG: lambda at: record.update(self._read_cfg(at)),
            VOCAB: read_vocab,
            MODEL: lambda at: self._read_model(at, cast(dict[str, str] | None, record.pop(WEIGHTS, None))),
        }
        util.from_disk(path, readers, exclude)
        record.pop(WEIGHTS, None)
        self.cfg.update(record)
        return self

    def _get_elmo_to_save(self) -> Elmo | None:
        self._updates.apply_pending()
        self._updates.close()
        return get_module(self.model).get_elmo_to_save(
            what=f"'{self.name}'", instead=self.source_before_initialize()
        )

    def _read_cfg(self, path: Path) -> dict[str, object]:
        try:
            cfg: object = srsly.json_loads(read_small(path, most=MOST_JSON))
        except (ValueError, OSError) as error:
            raise ElmoError(
                self._incomplete(path.parent, f"'{CFG}', which is written last, cannot be read")
            ) from error
        settings: dict[str, object] = cfg if isinstance(cfg, dict) else {WEIGHTS: ""}
        expected = settings.get(WEIGHTS)
        if expected is not None and not (isinstance(expected, dict) and expected.keys() >= _RECORDED):
            raise ElmoError(self._incomplete(path.parent, f"'{CFG}' does not describe the weights"))
        return settings

    def _read_model(self, path: Path, expected: dict[str, str] | None) -> None:
        from ..weights.formats import folder

        module = get_module(self.model)
        if not path.exists() and expected is None:
            # Saved without weights, or by an earlier version, which did not record that.
            module.clear()
            return
        if expected is not None:
            missing = [name for name in (OPTIONS_NAME, folder.WEIGHTS_NAME) if not (path / name).is_file()]
        else:
            missing = [] if path.is_dir() else [MODEL]
        if missing:
            what = "it is not a folder" if path.is_file() else f"missing there: {', '.join(missing)}"
            raise ElmoError(self._incomplete(path, what))
        if expected is None:
            module.set_weights(read_weights(path))
        else:
            weights = folder.read(path / OPTIONS_NAME, path / folder.WEIGHTS_NAME)
            if folder.read_checksum(path / folder.WEIGHTS_NAME) != expected["arrays"]:
                raise ElmoError(Errors.EL181.format(path=path / folder.WEIGHTS_NAME))
            if _checksum(path / OPTIONS_NAME) != expected["options"]:
                raise ElmoError(Errors.EL181.format(path=path / OPTIONS_NAME))
            module.set_weights(weights)

    def _incomplete(self, where: Path, what: str) -> str:
        return Errors.EL180.format(name=self.name, where=f"'{where}'", what=what)


def has_checksums(path: Path) -> bool:
    """Check whether a file is the `cfg` of a component that was saved with its weights.

    path (Path): The file.
    RETURNS (bool): Whether it has their checksums.
    """
    try:
        cfg: object = srsly.json_loads(read_small(path, most=MOST_JSON))
    except (ValueError, OSError):
        return False
    recorded = cfg.get(WEIGHTS) if isinstance(cfg, dict) else None
    return isinstance(recorded, dict) and recorded.keys() >= _RECORDED


def _checksum(path: Path) -> str:
    return f"{zlib.crc32(path.read_bytes()):08x}"
