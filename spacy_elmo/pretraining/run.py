"""A pre-training run in its folder: the loop, checkpoints and the log."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from ..bilm.options import Options
from ..errors import ElmoError, Errors
from ..language_model.checkpoints import CHECKPOINT_FOLDER, Checkpoints
from ..language_model.corpus import Corpus
from ..language_model.likelihood import Perplexity, iter_carried
from ..language_model.model import LanguageModel
from ..language_model.storage import write_language_model
from ..language_model.streams import Order, Streams
from ..language_model.vocabulary import Vocabulary
from ..language_model.word_types import EncodedTypes, encode_types
from ..runtime.isolation import flush_denormals, isolate
from ..runtime.processors import torch_threads
from ..weights.sniff import VOCAB_NAME
from .config import PretrainingConfig, TrainingConfig
from .distributed import Processes, select_device
from .identity import check_same, describe_run
from .log import Entry, Log
from .optimizer import learn_rate
from .prepare import (
    MODEL_FOLDER,
    RunTexts,
    find_checkpoint,
    make_vocabulary,
    read_start,
    write_options,
)
from .signals import StopSignals
from .start import create_model, init_from
from .trainer import Trainer

LOG_NAME = "log.jsonl"
# Rows in which the dev text is read.
_DEV_ROWS = 32
# In a checkpoint, what the log has not written yet.
_PENDING = "log.pending"


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run that is ready to train: see `prepare`.

    config (PretrainingConfig): Its settings.
    folder (Path): Where its files are.
    processes (Processes): This process among those of the run.
    options (Options): Of the biLM.
    vocabulary (Vocabulary): The words that the model predicts.
    train_corpus (Corpus): The text to train on.
    dev_corpus (Corpus | None): The held-out text.
    checkpoints (Checkpoints): Those of the run.
    identity (dict[str, object]): What each checkpoint says about the run.
    trainer (Trainer): The model, and all that changes with a batch.
    log (Log): The log.
    """

    config: PretrainingConfig
    folder: Path
    processes: Processes
    options: Options
    vocabulary: Vocabulary
    train_corpus: Corpus
    dev_corpus: Corpus | None
    checkpoints: Checkpoints
    identity: dict[str, object]
    trainer: Trainer
    log: Log

    @classmethod
    def prepare(
        cls,
        config: PretrainingConfig,
        folder: Path,
        *,
        resume: bool = False,
        report: Callable[[Entry], None] = lambda entry: None,
    ) -> "Run":
        """Make a run ready to train: read or write the files in its folder, join its other processes.

        config (PretrainingConfig): Its settings.
        folder (Path): Its folder; created if needed.
        resume (bool): Continue from the newest checkpoint.
        report (Callable[[Entry], None]): Called with each entry of the log.
        RETURNS (Run): The run, before its next batch.
        RAISES (FileExistsError): If there is a run or a model already, and `resume` is false.
        RAISES (FileNotFoundError): If there is no run, and `resume` is true.
        RAISES (ElmoError): If settings, text or vocabulary are not those that the run began with.
        """
        device = select_device(config.training.device)
        processes = Processes.join(device)
        if config.training.n_rows % processes.size:
            raise ElmoError(Errors.EL081.format(n_rows=config.training.n_rows, size=processes.size))
        checkpoints = Checkpoints(folder / CHECKPOINT_FOLDER, keep=config.checkpoints.keep)
        checkpoint = find_checkpoint(checkpoints, folder, resume=resume)
        start = read_start(config.model, folder, resume=resume)
        texts = RunTexts.open(config.corpus, folder, processes)
        vocabulary = None
        if checkpoint is not None:
            # Before anything in the folder is replaced: the run must be able to continue with the old settings.
            vocabulary = Vocabulary.read(config.vocabulary.path or folder / VOCAB_NAME)
            check_same(
                checkpoint.meta, describe_run(config, texts.fingerprints["train"], vocabulary), folder=folder
            )
        texts.write(max_characters=start.options.char_cnn.max_characters_per_token)
        train_corpus, dev_corpus = texts.open_corpora()
        if vocabulary is None:
            vocabulary = make_vocabulary(config.vocabulary, folder, processes, start=start, train=train_corpus)
        write_options(start.options, folder, processes)
        order = Order(len(train_corpus), seed=config.training.seed, block=config.corpus.shuffle_block)
        with flush_denormals(), isolate():
            # The process' random numbers belong to whoever has called this.
            with torch.random.fork_rng(devices=[]):
                torch.default_generator.manual_seed(config.training.seed)
                model = create_model(start.options, config, n_words=len(vocabulary))
            origin = "" if start.weights is None else init_from(model, start, vocabulary)
            trainer = Trainer(
                model.to(device),
                Streams(train_corpus, order, n_rows=config.training.n_rows),
                encode_types(train_corpus.types, start.options, vocabulary),
                config=config,
                n_batches=_count_batches(config.training, train_corpus),
                processes=processes,
            )
            if checkpoint is not None:
                trainer.restore(checkpoint.tensors, batch=checkpoint.batch)
        log = Log.open(
            folder / LOG_NAME,
            # A run that stopped before its first checkpoint leaves entries that do not count, of batch 0 as well.
            from_batch=trainer.batch if resume else -1,
            n_batches=trainer.n_batches,
            report=report,
            active=processes.is_first,
            pending=None if checkpoint is None else checkpoint.tensors.get(_PENDING),
        )
        if origin:
            log.write_start(origin)
        return cls(
            config=config,
            folder=folder,
            processes=processes,
            options=start.options,
            vocabulary=vocabulary,
            train_corpus=train_corpus,
            dev_corpus=dev_corpus,
            checkpoints=checkpoints,
            identity=describe_run(config, texts.fingerprints["train"], vocabulary),
            trainer=trainer,
            log=log,
        )

    @property
    def model(self) -> LanguageModel:
        """The model that is trained."""
        return self.trainer.model

    @flush_denormals()
    @isolate()
    def train(self) -> bool:
        """Train to the end. SIGTERM and SIGINT stop the run after the current batch.

        RETURNS (bool): Whether the run is finished. In any case, there is a checkpoint of where it stopped.
        """
        trainer, training, every = self.trainer, self.config.training, self.config.checkpoints
        saved, saved_at = trainer.batch, time.monotonic()
        with torch_threads(training.n_threads, trainer.device), StopSignals() as signals:
            while trainer.batch < trainer.n_batches:
                late = time.monotonic() - saved_at >= 60 * every.every_minutes
                result = trainer.train_batch(flags=(signals.received, late))
                stop, late = result.flags
                self.log.add(result)
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

        RAISES (ElmoError): If a loss or a norm is not finite.
        """
        self._check_finite()
        tensors = self.trainer.tensors()
        if self.processes.is_first:
            tensors[_PENDING] = self.log.pending()
            self.checkpoints.write(self.trainer.batch, tensors, self.identity)
        self.processes.wait()

    def export(self) -> None:
        """Write the current model, with softmax and vocabulary, into the folder `model`, which is a source."""
        if self.processes.is_first:
            write_language_model(self.folder / MODEL_FOLDER, self.options, self.model, self.vocabulary)
        self.processes.wait()

    def encode_types(self, corpus: Corpus) -> EncodedTypes:
        """Encode the word types of a text for the model.

        corpus (Corpus): The text.
        RETURNS (EncodedTypes): Its types.
        """
        return encode_types(corpus.types, self.options, self.vocabulary)

    @flush_denormals()
    @isolate()
    def perplexity(self) -> Perplexity:
        """Measure the first `dev_tokens` tokens of the dev text, by the full softmax, with carried state.

        RETURNS (Perplexity): Of the model as it is.
        """
        corpus, training = self.dev_corpus, self.config.training
        assert corpus is not None
        n = int((corpus.ends <= training.dev_tokens).sum()) or 1
        types = self.encode_types(corpus)
        with torch_threads(training.n_threads, self.trainer.device):
            return Perplexity.from_likelihoods(
                iter_carried(self.model, corpus, types, n_rows=_DEV_ROWS, n_sentences=n)
            )

    def _check_finite(self) -> None:
        pending = self.log.pending()
        bad = pending[~pending.isfinite().all(dim=1)]
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
        if self.dev_corpus is not None and self.processes.is_first:
            self.log.write_dev(self.perplexity(), batch=self.trainer.batch, epoch=self.trainer.streams.epoch)


def _count_batches(training: TrainingConfig, corpus: Corpus) -> int:
    predictions = corpus.n_tokens + len(corpus)
    n_batches = math.ceil(training.n_epochs * predictions / (training.n_rows * training.n_steps))
    return n_batches if training.max_batches is None else min(n_batches, training.max_batches)
