"""A pre-training run in its folder: text and vocabulary, the loop, checkpoints and the log."""

import math
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from ..bilm.options import OPTIONS_NAME, Options
from ..errors import ElmoError, ElmoFileExistsError, ElmoFileNotFoundError, Errors, Warnings
from ..inputs.reader import Inputs
from ..language_model.checkpoints import CHECKPOINT_FOLDER, Checkpoint, Checkpoints
from ..language_model.corpus import LONGEST_TYPE, Corpus, fingerprint, verify_corpus, write_corpus
from ..language_model.likelihood import Perplexity, iter_carried
from ..language_model.storage import write_language_model
from ..language_model.streams import Order, Streams
from ..language_model.vocabulary import VOCAB_NAME, Types, Vocabulary, types_of
from ..runtime.isolation import flush_denormals, isolate
from ..runtime.processors import torch_threads
from ..util.atomic import atomic_write
from .config import PretrainingConfig
from .distributed import Processes, own_device
from .identity import check_same, identity, text_fingerprint
from .log import Log
from .optimizer import learn_rate
from .signals import StopSignals
from .start import Start, new_model, take_over
from .trainer import Trainer

MODEL_FOLDER = "model"
CORPUS_FOLDER = "corpus"
LOG_NAME = "log.jsonl"
# The dev text is read in so many rows.
_DEV_ROWS = 32
# In a checkpoint, what the log has not written yet.
_PENDING = "log.pending"


class Run:
    """What the folder of a run holds, ready to train.

    config: checked. folder: made if need be. resume: go on from the newest checkpoint.
    report: called with each entry of the log.
    RAISES (FileExistsError): If there is a run or a model already and `resume` is false.
    RAISES (FileNotFoundError): If there is no run and it is true.
    RAISES (ElmoError): If settings, text or vocabulary are not those it began with.
    """

    def __init__(
        self,
        config: PretrainingConfig,
        folder: Path,
        *,
        resume: bool = False,
        report: Callable[[dict[str, Any]], None] = lambda entry: None,
    ):
        training = config.training
        self.config = config
        self.folder = folder
        self.device = own_device(training.device)
        self.processes = Processes.join(self.device)
        if training.n_rows % self.processes.size:
            raise ElmoError(Errors.EL081.format(n_rows=training.n_rows, size=self.processes.size))
        self.checkpoints = Checkpoints(folder / CHECKPOINT_FOLDER, keep=config.checkpoints.keep)
        checkpoint = self._checkpoint(resume)
        start = self._start(resume)
        self.options = start.options
        texts = {"train": self._inputs(config.corpus.train)}
        if config.corpus.dev:
            texts["dev"] = self._inputs(config.corpus.dev)
        fingerprints = {name: text_fingerprint(inputs, config.corpus.pipeline) for name, inputs in texts.items()}
        self._fingerprint = fingerprints["train"]
        if checkpoint is not None:
            # Before anything in the folder is replaced: the run must be able to go on with the old settings.
            self.vocabulary = Vocabulary.read(config.vocabulary.path or folder / VOCAB_NAME)
            check_same(checkpoint.meta, self._identity(), folder=folder)
        if self.processes.is_first:
            self._write_texts(texts, fingerprints)
        self.processes.wait()
        self.train = self._text("train", fingerprints["train"])
        self.dev = self._text("dev", fingerprints["dev"]) if "dev" in texts else None
        if checkpoint is None:
            self.vocabulary = self._new_vocabulary(start)
        self._write_options()
        order = Order(len(self.train), seed=training.seed, block=config.corpus.shuffle_block)
        with flush_denormals(), isolate():
            torch.manual_seed(training.seed)
            model = new_model(self.options, config, n_words=len(self.vocabulary))
            taken = "" if start.weights is None else take_over(model, start, self.vocabulary)
            self.model = model.to(self.device)
            self.trainer = Trainer(
                self.model,
                Streams(self.train, order, n_rows=training.n_rows),
                self.types(self.train),
                config=config,
                n_batches=self._n_batches(),
                processes=self.processes,
            )
            if checkpoint is not None:
                self.trainer.restore(checkpoint.tensors, batch=checkpoint.batch)
        self.log = Log(
            folder / LOG_NAME,
            # What a run wrote that broke off before its first checkpoint goes, batch 0 as well.
            from_batch=self.trainer.batch if resume else -1,
            n_batches=self.trainer.n_batches,
            report=report,
            active=self.processes.is_first,
            pending=None if checkpoint is None else checkpoint.tensors.get(_PENDING),
        )
        if taken:
            self.log.write_start(taken)

    @flush_denormals()
    @isolate()
    def go(self) -> bool:
        """Train to the end. SIGTERM and SIGINT end it after the batch under way.

        RETURNS: whether the run is finished. A checkpoint of where it stopped is there in any case.
        """
        trainer, training, every = self.trainer, self.config.training, self.config.checkpoints
        saved, saved_at = trainer.batch, time.monotonic()
        with torch_threads(training.n_threads, self.device), StopSignals() as signals:
            while trainer.batch < trainer.n_batches:
                late = time.monotonic() - saved_at >= 60 * every.every_minutes
                trained = trainer.train_batch(tell=(signals.came, late))
                stop, late = trained.told
                self.log.add(trained)
                last = trainer.batch == trainer.n_batches
                if trainer.batch % training.log_every == 0 or last:
                    self._write_losses()
                with self.log.paused():
                    if trainer.batch % training.dev_every == 0 or last:
                        self._write_dev()
                    if stop or last or late or trainer.batch - saved >= every.every_batches:
                        self.save()
                        saved, saved_at = trainer.batch, time.monotonic()
                if stop:
                    break
        return trainer.batch >= trainer.n_batches

    @isolate()
    def save(self) -> None:
        """Write a checkpoint. Every process must call it.

        RAISES (ElmoError): If the run has come to no numbers.
        """
        self._check_finite()
        tensors = self.trainer.tensors()
        if self.processes.is_first:
            tensors[_PENDING] = self.log.pending()
            self.checkpoints.write(self.trainer.batch, tensors, self._identity())
        self.processes.wait()

    def export(self) -> None:
        """Write the model as it stands, with softmax and vocabulary, into the folder `model`: a source."""
        if self.processes.is_first:
            write_language_model(self.folder / MODEL_FOLDER, self.options, self.model, self.vocabulary)
        self.processes.wait()

    def types(self, corpus: Corpus) -> Types:
        """What the model knows of a text's word types."""
        return types_of(corpus.types, self.options, self.vocabulary)

    @flush_denormals()
    @isolate()
    def perplexity(self) -> Perplexity:
        """Of the first dev_tokens tokens of the dev text, by the full softmax, state carried on."""
        assert self.dev is not None
        n = int((self.dev.ends <= self.config.training.dev_tokens).sum()) or 1
        types = self.types(self.dev)
        with torch_threads(self.config.training.n_threads, self.device):
            return Perplexity.of(iter_carried(self.model, self.dev, types, n_rows=_DEV_ROWS, n_sentences=n))

    def _check_finite(self) -> None:
        found = self.log.pending()
        bad = found[~found.isfinite().all(dim=1)]
        if len(bad):
            forward, backward, norm = bad[0].tolist()
            raise ElmoError(Errors.EL083.format(
                batch=self.trainer.batch, got=f"losses {forward} and {backward}, norm {norm}",
                path=self.checkpoints.folder, learn_rate=self.config.optimizer.learn_rate,
            ))  # fmt: skip

    def _write_losses(self) -> None:
        self._check_finite()
        training, batch = self.config.training, self.trainer.batch
        self.log.write_training(
            batch=batch,
            epoch=self.trainer.streams.epoch,
            learn_rate=learn_rate(self.config.optimizer, batch - 1, self.trainer.n_batches),
            n_tokens=training.n_rows * training.n_steps,
        )

    def _write_dev(self) -> None:
        # The other processes wait for the first one with their next batch.
        if self.dev is not None and self.processes.is_first:
            found = self.perplexity()
            self.log.write_dev(
                batch=self.trainer.batch,
                epoch=self.trainer.streams.epoch,
                forward=found.forward,
                backward=found.backward,
                average=found.average,
            )

    def _checkpoint(self, resume: bool) -> Checkpoint | None:
        if not resume:
            if self.checkpoints.paths() or (self.folder / MODEL_FOLDER).exists():
                raise ElmoFileExistsError(Errors.EL078.format(path=self.folder))
            return None
        checkpoint = self.checkpoints.newest()
        if checkpoint is None:
            raise ElmoFileNotFoundError(Errors.EL079.format(path=self.folder))
        return checkpoint

    def _start(self, resume: bool) -> Start:
        path = self.folder / OPTIONS_NAME
        if resume:
            # The checkpoint has all weights, and the source may be gone.
            from_source = self.config.model.source is not None and path.is_file()
            return Start(Options.from_file(path) if from_source else Start.of(self.config.model).options)
        others = [name for name in (OPTIONS_NAME, VOCAB_NAME) if (self.folder / name).exists()]
        if others and not fingerprint(self.folder / CORPUS_FOLDER / "train"):
            raise ElmoFileExistsError(Errors.EL089.format(path=self.folder, found=" and ".join(others)))
        return Start.of(self.config.model)

    def _write_options(self) -> None:
        if self.processes.is_first:
            with atomic_write(self.folder / OPTIONS_NAME) as temporary:
                temporary.write_text(self.options.to_json(), "utf-8")

    def _inputs(self, paths: Sequence[Path]) -> Inputs:
        inputs = Inputs(paths, format=self.config.corpus.format, pipeline=self.config.corpus.pipeline)
        if inputs.has_streams and self.processes.size > 1:
            raise ElmoError(Errors.EL208.format(size=self.processes.size))
        return inputs

    def _write_texts(self, texts: Mapping[str, Inputs], fingerprints: Mapping[str, str]) -> None:
        """The texts as numbers, written when the run begins; none before all are checked."""
        folder = self.folder / CORPUS_FOLDER
        missing = [
            name
            for name in texts
            if not (fingerprint(folder / name) == fingerprints[name] and _is_whole(folder / name))
        ]
        for name in missing:
            texts[name].check()
        longest = max(LONGEST_TYPE, self.options.char_cnn.max_characters_per_token)
        for name in missing:
            sentences = filter(None, (sentence.visible for sentence in texts[name].read()))
            write_corpus(folder / name, sentences, fingerprint=fingerprints[name], longest=longest)

    def _text(self, name: str, wanted: str) -> Corpus:
        folder = self.folder / CORPUS_FOLDER / name
        if fingerprint(folder) != wanted:
            raise ElmoFileNotFoundError(Errors.EL084.format(path=folder, rank=self.processes.rank))
        return Corpus.open(folder)

    def _new_vocabulary(self, start: Start) -> Vocabulary:
        path = self.folder / VOCAB_NAME
        config = self.config.vocabulary
        if self.processes.is_first:
            if config.path is not None:
                Vocabulary.read(config.path).write(path)
            elif start.vocabulary is not None:
                start.vocabulary.write(path)
            else:
                Vocabulary.from_counts(
                    self.train.types,
                    self.train.counts().tolist(),
                    min_count=config.min_count,
                    max_size=config.max_size,
                ).write(path)
        self.processes.wait()
        return Vocabulary.read(path)

    def _n_batches(self) -> int:
        training = self.config.training
        predictions = self.train.n_tokens + len(self.train)
        n_batches = math.ceil(training.n_epochs * predictions / (training.n_rows * training.n_steps))
        return n_batches if training.max_batches is None else min(n_batches, training.max_batches)

    def _identity(self) -> dict[str, Any]:
        return identity(self.config, self._fingerprint, self.vocabulary)


def _is_whole(folder: Path) -> bool:
    """Whether the corpus is undamaged; warns if it is not."""
    try:
        verify_corpus(folder)
    except (ValueError, OSError) as error:
        warnings.warn(Warnings.WL070.format(path=folder, reason=error), UserWarning, stacklevel=2)
        return False
    return True
