"""The input and output before a run: its checkpoint, start, texts and vocabulary, in its folder."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..bilm.options import OPTIONS_NAME, Options
from ..errors import ElmoError, ElmoFileExistsError, ElmoFileNotFoundError, Errors, Warnings
from ..inputs.reader import Inputs
from ..language_model.checkpoints import Checkpoint, Checkpoints
from ..language_model.corpus import LONGEST_TYPE, Corpus, read_fingerprint, verify_corpus, write_corpus
from ..language_model.vocabulary import Vocabulary
from ..util.atomic import atomic_write
from ..weights.sniff import VOCAB_NAME
from .config import CorpusConfig, ModelConfig, VocabularyConfig
from .distributed import Processes
from .identity import text_fingerprint
from .start import Start

MODEL_FOLDER = "model"
CORPUS_FOLDER = "corpus"


def find_checkpoint(checkpoints: Checkpoints, folder: Path, *, resume: bool) -> Checkpoint | None:
    """Find where a run continues.

    checkpoints (Checkpoints): Those of the run.
    folder (Path): The run's.
    resume (bool): Whether it is to continue.
    RETURNS (Checkpoint | None): The newest checkpoint; None: a new run.
    RAISES (FileExistsError): If there is a run or a model already, and it is not to continue.
    RAISES (FileNotFoundError): If there is no checkpoint, and it is to continue.
    """
    if not resume:
        if checkpoints.paths() or (folder / MODEL_FOLDER).exists():
            raise ElmoFileExistsError(Errors.EL078.format(path=folder))
        return None
    checkpoint = checkpoints.newest()
    if checkpoint is None:
        raise ElmoFileNotFoundError(Errors.EL079.format(path=folder))
    return checkpoint


def read_start(config: ModelConfig, folder: Path, *, resume: bool) -> Start:
    """Read the options and weights that a run starts from.

    config (ModelConfig): Names a source, or has the options of a new model.
    folder (Path): The run's.
    resume (bool): Whether weights come from a checkpoint.
    RETURNS (Start): Without weights if they come from a checkpoint: the source may be gone.
    RAISES (FileExistsError): If the folder has a model's files that are not from a run.
    """
    path = folder / OPTIONS_NAME
    if resume:
        from_source = config.source is not None and path.is_file()
        return Start(Options.from_file(path) if from_source else Start.from_config(config).options)
    others = [name for name in (OPTIONS_NAME, VOCAB_NAME) if (folder / name).exists()]
    if others and not read_fingerprint(folder / CORPUS_FOLDER / "train"):
        raise ElmoFileExistsError(Errors.EL089.format(path=folder, found=" and ".join(others)))
    return Start.from_config(config)


class RunTexts:
    """The texts of a run, "train" and perhaps "dev", as inputs and as corpora: see `open`.

    inputs (Mapping[str, Inputs]): The texts.
    fingerprints (Mapping[str, str]): What each text is made of.
    folder (Path): Of the corpora.
    processes (Processes): Of the run; the first one writes.
    """

    def __init__(
        self,
        inputs: Mapping[str, Inputs],
        *,
        fingerprints: Mapping[str, str],
        folder: Path,
        processes: Processes,
    ):
        self.fingerprints = fingerprints
        self._inputs = inputs
        self._folder = folder
        self._processes = processes

    @classmethod
    def open(cls, config: CorpusConfig, folder: Path, processes: Processes) -> "RunTexts":
        """Find the files of the texts, and hash them.

        config (CorpusConfig): Where they are, and how they are read.
        folder (Path): The run's.
        processes (Processes): Of the run.
        RETURNS (RunTexts): The texts.
        RAISES (ElmoError): If a file is missing or cannot be read, or if several processes would read a stream.
        """
        paths = {"train": config.train, "dev": config.dev}
        inputs = {name: _open_inputs(config, paths[name], processes) for name in paths if paths[name]}
        fingerprints = {name: text_fingerprint(inputs[name], config.pipeline) for name in inputs}
        return cls(inputs, fingerprints=fingerprints, folder=folder / CORPUS_FOLDER, processes=processes)

    def write(self, *, max_characters: int) -> None:
        """Write the corpora that are missing, outdated or damaged; none before all texts are checked.

        max_characters (int): That a model reads of a token.
        """
        if self._processes.is_first:
            missing = [name for name in self._inputs if not self._is_written(name)]
            for name in missing:
                self._inputs[name].check()
            for name in missing:
                sentences = filter(None, (sentence.visible for sentence in self._inputs[name].read()))
                write_corpus(
                    self._folder / name,
                    sentences,
                    fingerprint=self.fingerprints[name],
                    longest=max(LONGEST_TYPE, max_characters),
                )
        self._processes.wait()

    def open_corpora(self) -> tuple[Corpus, Corpus | None]:
        """Open the corpora.

        RETURNS (tuple[Corpus, Corpus | None]): The text to train on, and the dev text if the run has one.
        RAISES (FileNotFoundError): If this process does not see what the first one has written.
        """
        return self._open_corpus("train"), self._open_corpus("dev") if "dev" in self._inputs else None

    def _open_corpus(self, name: str) -> Corpus:
        folder = self._folder / name
        if read_fingerprint(folder) != self.fingerprints[name]:
            raise ElmoFileNotFoundError(Errors.EL084.format(path=folder, rank=self._processes.rank))
        return Corpus.open(folder)

    def _is_written(self, name: str) -> bool:
        folder = self._folder / name
        if read_fingerprint(folder) != self.fingerprints[name]:
            return False
        try:
            verify_corpus(folder)
        except (ValueError, OSError) as error:
            warnings.warn(Warnings.WL070.format(path=folder, reason=error), UserWarning, stacklevel=2)
            return False
        return True


def _open_inputs(config: CorpusConfig, paths: Sequence[Path], processes: Processes) -> Inputs:
    inputs = Inputs(paths, format=config.format, pipeline=config.pipeline)
    if inputs.has_streams and processes.size > 1:
        raise ElmoError(Errors.EL208.format(size=processes.size))
    return inputs


def make_vocabulary(
    config: VocabularyConfig, folder: Path, processes: Processes, *, start: Start, train: Corpus
) -> Vocabulary:
    """Make the vocabulary of a new run, and write it into its folder.

    config (VocabularyConfig): Names a file, or has the limits of a new vocabulary.
    folder (Path): The run's.
    processes (Processes): Of the run; the first one writes.
    start (Start): Its vocabulary is used if the config names none.
    train (Corpus): A new vocabulary is made from it.
    RETURNS (Vocabulary): The vocabulary.
    """
    path = folder / VOCAB_NAME
    if processes.is_first:
        if config.path is not None:
            vocabulary = Vocabulary.read(config.path)
        elif start.vocabulary is not None:
            vocabulary = start.vocabulary
        else:
            counts = train.count_types().tolist()
            vocabulary = Vocabulary.from_counts(
                train.types, counts, min_count=config.min_count, max_size=config.max_size
            )
        vocabulary.write(path)
    processes.wait()
    return Vocabulary.read(path)


def write_options(options: Options, folder: Path, processes: Processes) -> None:
    """Write the options of a run's model into its folder.

    options (Options): Of the biLM.
    folder (Path): The run's.
    processes (Processes): Of the run; the first one writes.
    """
    if processes.is_first:
        with atomic_write(folder / OPTIONS_NAME) as temporary:
            temporary.write_text(options.to_json(), "utf-8")
