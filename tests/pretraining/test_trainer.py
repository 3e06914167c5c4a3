import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.bilm.lstm import LSTMState
from spacy_elmo.language_model.corpus import Corpus
from spacy_elmo.language_model.model import LanguageModel
from spacy_elmo.language_model.sampled_softmax import Candidates, draw_candidates
from spacy_elmo.language_model.softmax import AdaptiveSoftmax, BaseSoftmax, Softmax
from spacy_elmo.language_model.streams import Batch, Order, Streams
from spacy_elmo.language_model.vocabulary import Vocabulary
from spacy_elmo.language_model.word_types import EncodedTypes
from spacy_elmo.pretraining import partwise
from spacy_elmo.pretraining.config import check_config
from spacy_elmo.pretraining.distributed import Processes
from spacy_elmo.pretraining.optimizer import Optimizer
from spacy_elmo.pretraining.partwise import PartwisePass
from spacy_elmo.pretraining.start import init_weights
from spacy_elmo.pretraining.trainer import Trainer
from spacy_elmo.runtime.threads import own_threads
from tests.at_work import at_work, seen_threads
from tests.pretraining.tiny import lm_options, lm_sentences, lm_types

CORPUS = Corpus.from_sentences(lm_sentences(40))
# Of the twelve words some are left out, which are predicted as <UNK>.
VOCABULARY = Vocabulary.from_counts(CORPUS.types, CORPUS.count_types().tolist(), min_count=15)
TWO_THREADS: dict[str, Any] = {"training.n_threads": 2}
LSTM: dict[str, Any] = {"dim": 12, "projection_dim": 6, "cell_clip": 3, "proj_clip": 3}
N_BATCHES = 60
ADAPTIVE: dict[str, Any] = {"softmax.kind": "adaptive", "softmax.cutoffs": [5], "softmax.div_value": 2.0}


def make(*, processes: Processes | None = None, lstm: dict[str, Any] = LSTM, **settings: Any) -> Trainer:
    """Make a trainer. settings: of the config, by "section.name"."""
    sections: dict[str, dict[str, Any]] = {
        "corpus": {"train": ["text.txt"]},
        "model": {"options": lm_options(**lstm).to_dict()},
        "softmax": {"n_samples": 6},
        "optimizer": {"learn_rate": 0.02, "warmup_steps": 3},
        "training": {"n_rows": 4, "n_steps": 5, "dropout": 0.0},
    }
    for path, value in settings.items():
        section, _, name = path.partition(".")
        sections[section][name] = value
    config = check_config(sections)
    options = lm_options(**lstm)
    torch.manual_seed(7)
    bilm = BiLM(options=options)
    init_weights(bilm)
    sizes = {"n_words": len(VOCABULARY), "width": options.lstm.projection_dim}
    if config.softmax.kind == "adaptive":
        softmax: BaseSoftmax = AdaptiveSoftmax(
            **sizes, cutoffs=config.softmax.cutoffs, div_value=config.softmax.div_value
        )
    else:
        softmax = Softmax(**sizes, sparse=config.softmax.kind == "sampled")
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[config.training.precision]
    model = LanguageModel(bilm=bilm, softmax=softmax, dropout=config.training.dropout, dtype=dtype)
    streams = Streams(CORPUS, Order(len(CORPUS), seed=config.training.seed), n_rows=config.training.n_rows)
    types = lm_types(options, CORPUS, VOCABULARY)
    return Trainer(model, streams, types, config=config, n_batches=N_BATCHES, processes=processes or Processes())


class Share(Processes):
    """One of two processes, without the other."""

    def average(self, tensors: Sequence[Tensor]) -> None:
        pass

    def join_rows(self, tensor: Tensor, *, dim: int) -> Tensor:
        return torch.cat([tensor] * self.size, dim=dim)


def copy_of(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


def train(trainer: Trainer, n: int) -> list[list[float]]:
    """Train some batches, from any state of the global generator; return losses and norms."""
    found = []
    for _ in range(n):
        torch.manual_seed(torch.seed())
        trained = trainer.train_batch()
        found.append([*trained.losses.tolist(), float(trained.norm)])
    return found


def top_layer(model: LanguageModel, types: EncodedTypes, batch: Batch) -> Tensor:
    """Compute the softmax' inputs (2, n_steps, n_rows, P) from the zero state by the biLM itself, a row at a time:
    each direction reads its inputs as one sentence."""
    n_rows = batch.inputs.shape[2]
    found: list[Tensor] = []
    for direction in (0, 1):
        for row in range(n_rows):
            numbers = torch.from_numpy(batch.inputs[:, direction, row]).long()
            numbers = numbers.flip(0) if direction else numbers
            words = model.bilm.char_encoder(types.character_ids[numbers].long())
            half = model.bilm(words, [len(words)]).layers[-1].chunk(2, dim=1)[direction]
            found.append(half.flip(0) if direction else half)
    stacked: Tensor = torch.stack(found).unflatten(0, (2, n_rows))
    return stacked.transpose(1, 2)


def dense_losses(softmax: Softmax, hidden: Tensor, targets: Tensor, candidates: Candidates) -> Tensor:
    """Compute the sampled softmax of each direction over masked scores of the whole vocabulary."""
    scores = hidden @ softmax.weight.T + softmax.bias - torch.from_numpy(candidates.expected).log()
    taking_part = torch.zeros(scores.shape, dtype=torch.bool)
    taking_part[..., torch.from_numpy(candidates.ids)] = True
    taking_part.scatter_(-1, targets.unsqueeze(-1), True)
    scores = scores.masked_fill(~taking_part, -math.inf).float()
    return F.cross_entropy(scores.flatten(1, 2).transpose(1, 2), targets.flatten(1), reduction="none").mean(dim=1)


def first_batch(trainer: Trainer) -> tuple[Tensor, dict[str, Tensor], Batch]:
    """Compute losses and gradients of a trainer's first batch by the definitions."""
    config, model = trainer.config, trainer.model
    order = Order(len(CORPUS), seed=config.training.seed)
    batch = Streams(CORPUS, order, n_rows=config.training.n_rows).take(config.training.n_steps)
    hidden = top_layer(model, trainer.types, batch)
    targets = trainer.types.words[torch.from_numpy(batch.targets).long()].permute(1, 0, 2)
    if config.softmax.kind == "sampled":
        rng = np.random.default_rng([config.training.seed, 0])
        candidates = draw_candidates(len(VOCABULARY), min(config.softmax.n_samples, len(VOCABULARY) - 1), rng)
        assert isinstance(model.softmax, Softmax)
        losses = dense_losses(model.softmax, hidden, targets, candidates)
    else:
        losses = -model.softmax.log_likelihood(hidden, targets).mean(dim=(1, 2))
    names = [name for name, _ in model.named_parameters()]
    total = losses.mean() * config.training.n_steps
    gradients = torch.autograd.grad(total, list(model.parameters()), allow_unused=True)
    return losses.detach(), {name: g for name, g in zip(names, gradients, strict=True) if g is not None}, batch


@pytest.mark.parametrize(
    "softmax",
    [{}, {"softmax.n_samples": 1000}, {"softmax.kind": "full"}, ADAPTIVE],
    ids=["sampled", "more_samples_than_words", "full", "adaptive"],
)
def test_batch_by_the_definitions(softmax: dict[str, Any]) -> None:
    """Compare losses, norm, and each parameter after a step of Adagrad with clipped gradients, in the first of
    three steps of warm-up."""
    most = 0.5
    trainer = make(**{**softmax, "optimizer.name": "adagrad", "optimizer.clip_norm": most})
    start = copy_of(dict(trainer.model.named_parameters()))
    losses, gradients, _ = first_batch(trainer)
    trained = trainer.train_batch()
    torch.testing.assert_close(trained.losses, losses, atol=1e-5, rtol=0)
    norm = torch.stack([gradient.to_dense().norm() for gradient in gradients.values()]).norm()
    assert float(norm) > most
    torch.testing.assert_close(trained.norm, norm, atol=1e-5, rtol=1e-4)
    for name, parameter in trainer.model.named_parameters():
        step = torch.zeros_like(start[name])
        if name in gradients:
            gradient = gradients[name].to_dense() * most / norm
            step = 0.02 / 3 * gradient / (1 + gradient**2).sqrt()
        torch.testing.assert_close(parameter.detach(), start[name] - step, atol=1e-6, rtol=0)
    assert trainer.batch == 1


LEARNS = {
    "sampled": {"optimizer.learn_rate": 0.05},
    "sampled_bf16": {"optimizer.learn_rate": 0.05, "training.precision": "bf16"},
    "full": {"optimizer.learn_rate": 0.05, "softmax.kind": "full"},
    "adaptive": {"optimizer.learn_rate": 0.05, **ADAPTIVE},
    "adagrad": {"optimizer.name": "adagrad", "optimizer.learn_rate": 0.3},
}


@pytest.mark.parametrize("settings", LEARNS.values(), ids=LEARNS)
def test_tiny_grammar(settings: dict[str, Any]) -> None:
    """All words are about equally likely to a new model; a trained one predicts what can follow."""
    trainer = make(**settings)
    losses = np.array(train(trainer, N_BATCHES))[:, :2]
    if trainer.config.softmax.kind != "sampled":
        assert losses[0] == pytest.approx([math.log(len(VOCABULARY))] * 2, abs=0.3)
    assert (losses[-10:].mean(axis=0) < 0.75 * losses[0]).all()


# Everything that a checkpoint must hold is in use.
RUNS: dict[str, dict[str, Any]] = {
    "sampled": {},
    "sampled_bf16": {"training.precision": "bf16"},
    "full": {"softmax.kind": "full"},
    "full_bf16": {"softmax.kind": "full", "training.precision": "bf16"},
    "adaptive": ADAPTIVE,
    "adagrad": {"optimizer.name": "adagrad"},
    "adagrad_full": {"optimizer.name": "adagrad", "softmax.kind": "full"},
}
runs = pytest.mark.parametrize("settings", RUNS.values(), ids=RUNS)


def dropping(settings: dict[str, Any], **more: Any) -> Trainer:
    return make(**{**settings, "training.dropout": 0.3}, **more)


@runs
def test_repeatable(settings: dict[str, Any]) -> None:
    one, other = dropping(settings), dropping(settings)
    assert train(one, 4) == train(other, 4)
    for name, tensor in one.tensors().items():
        assert torch.equal(tensor, other.tensors()[name]), name


@runs
def test_resumed_exactly(settings: dict[str, Any]) -> None:
    """A trainer with other weights, elsewhere in the text, continues from `tensors`."""
    trainer = dropping(settings)
    train(trainer, 7)
    tensors = copy_of(trainer.tensors())
    expected = train(trainer, 4)
    other = dropping(settings)
    with torch.no_grad():
        for parameter in other.model.parameters():
            parameter.add_(1)
    train(other, 3)
    other.restore(copy_of(tensors), batch=7)
    assert other.batch == 7
    for name, tensor in other.tensors().items():
        assert torch.equal(tensor, tensors[name]), name
    assert train(other, 4) == expected
    assert other.batch == 11
    found = other.tensors()
    assert found.keys() == trainer.tensors().keys()
    for name, tensor in trainer.tensors().items():
        assert torch.equal(tensor, found[name]), name


@pytest.mark.parametrize("part", ["model.", "optimizer.", "streams.", "state."])
def test_missing_parts(part: str) -> None:
    """If one part is not restored, the next losses differ: the test above can fail."""
    trainer = dropping({})
    train(trainer, 4)
    tensors = copy_of(trainer.tensors())
    expected = train(trainer, 3)
    other = dropping({})
    train(other, 2)
    kept = {name: tensor for name, tensor in copy_of(other.tensors()).items() if name.startswith(part)}
    assert kept
    other.restore({**copy_of(tensors), **kept}, batch=4)
    assert train(other, 3) != expected


def test_seed() -> None:
    losses = [train(dropping({"training.seed": seed}), 2) for seed in (0, 1)]
    assert losses[0] != losses[1]


@pytest.fixture
def dropout_seeds(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The seeds of all dropouts."""
    seeds: list[int] = []
    dropout = partwise.Dropout

    def spy(share: float, seed: int) -> Any:
        seeds.append(seed)
        return dropout(share, seed)

    monkeypatch.setattr(partwise, "Dropout", spy)
    return seeds


def test_random_numbers_of_a_batch(dropout_seeds: list[int]) -> None:
    """They differ between seeds, processes, batches and directions."""
    for settings in ({}, {"training.seed": 1}):
        for rank in (0, 1):
            trainer = dropping(settings, processes=Share(rank=rank, size=2))
            for _ in range(3):
                trainer.train_batch()
    assert len({*dropout_seeds}) == len(dropout_seeds) == 24


def test_random_numbers_of_the_process() -> None:
    """A batch on the CPU neither uses nor changes them."""
    trainer, before = dropping({}), torch.get_rng_state()
    trainer.train_batch()
    assert torch.equal(torch.get_rng_state(), before)


def test_batches_are_continuous() -> None:
    """For a model that does not change, two batches of n steps equal one of 2n."""
    still: dict[str, Any] = {"optimizer.learn_rate": 1e-30, "optimizer.weight_decay": 0.0, "softmax.kind": "full"}
    halves, whole = make(**still), make(**{**still, "training.n_steps": 10})
    first, second = (np.array(losses[:2]) for losses in train(halves, 2))
    np.testing.assert_allclose((first + second) / 2, train(whole, 1)[0][:2], atol=1e-6)
    for part, other in zip(halves.state, whole.state, strict=True):
        assert part.any()
        torch.testing.assert_close(part, other, atol=1e-6, rtol=0)


@pytest.mark.parametrize("softmax", [{}, {"softmax.kind": "full"}], ids=["sampled", "full"])
def test_processes_share_the_rows(softmax: dict[str, Any]) -> None:
    """The averaged gradients equal those of one process; all processes have the same rows."""
    settings = {**softmax, "optimizer.clip_norm": 0.0}
    found = []
    for processes in (Processes(), Share(rank=0, size=2), Share(rank=1, size=2)):
        trainer = make(processes=processes, **settings)
        taken: list[Tensor] = []

        # Averaging is what sees the gradients and the losses of a process.
        def take(tensors: Sequence[Tensor], taken: list[Tensor] = taken) -> None:
            taken.extend(tensor.clone() for tensor in tensors)

        processes.average = take  # type: ignore[method-assign]
        trainer.train_batch()
        assert trainer.state.hidden.shape == (2, 2, 4 // processes.size, 6)
        found.append(taken)
    for alone, first, second in zip(*found, strict=True):
        assert first.shape == second.shape == alone.shape
        torch.testing.assert_close((first + second) / 2, alone, atol=2e-6, rtol=1e-5)


def test_rows_of_a_process() -> None:
    trainer = make()
    train(trainer, 3)
    tensors = copy_of(trainer.tensors())
    share = make(processes=Share(rank=1, size=2))
    share.restore(copy_of(tensors), batch=3)
    for part, name in zip(share.state, LSTMState._fields, strict=True):
        assert torch.equal(part, tensors[f"state.{name}"][:, :, 2:])
    assert share.tensors()["state.cell"].shape == trainer.tensors()["state.cell"].shape


def test_flags() -> None:
    trainer = make()
    assert trainer.train_batch().flags == ()
    assert trainer.train_batch(flags=(False, True)).flags == (False, True)


@pytest.mark.parametrize(
    ("lacks", "error"),
    [
        ("model.bilm.char_encoder.projection.bias", RuntimeError),
        ("optimizer.softmax.bias/", KeyError),
        ("streams.next", KeyError),
    ],
)
def test_tensors_of_another_model(lacks: str, error: type[Exception]) -> None:
    trainer = make()
    train(trainer, 1)
    tensors = {name: tensor for name, tensor in trainer.tensors().items() if not name.startswith(lacks)}
    assert len(tensors) < len(trainer.tensors())
    with pytest.raises(error, match=lacks.partition(".")[2].rstrip("/")):
        make().restore(tensors, batch=1)


def test_another_size() -> None:
    trainer = make()
    train(trainer, 1)
    with pytest.raises(RuntimeError, match="size mismatch"):
        make(lstm={**LSTM, "dim": 13}).restore(trainer.tensors(), batch=1)


def test_resumed_with_an_unused_cluster() -> None:
    settings: dict[str, Any] = {
        "softmax.kind": "adaptive",
        "softmax.cutoffs": [len(VOCABULARY) - 2],
        "softmax.div_value": 2.0,
        "training.n_rows": 1,
        "training.n_steps": 2,
    }
    trainer, other = make(**settings), make(**settings)
    train(trainer, 1)
    tail = [name for name in trainer.tensors() if name.startswith("optimizer.softmax.adaptive.tail")]
    assert tail
    assert all(not trainer.tensors()[name].any() for name in tail if name.endswith("exp_avg"))
    other.restore(copy_of(trainer.tensors()), batch=1)
    assert train(other, 3) == train(trainer, 3)


@pytest.mark.parametrize(("n_threads", "each"), [(2, 1), (4, 2), (5, 2)])
@pytest.mark.parametrize(("owner", "name"), [(PartwisePass, "_run_direction"), (partwise, "encode")])
def test_parts_run_side_by_side(
    owner: Any, name: str, n_threads: int, each: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings: dict[str, Any] = {"training.n_threads": n_threads}
    trainer = make(**settings)
    found = at_work(monkeypatch, owner, name)
    before = torch.get_num_threads()
    train(trainer, 2)
    assert found == [each] * 4
    assert torch.get_num_threads() == before


def test_the_optimizer_works_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = make(**{**TWO_THREADS, "softmax.kind": "full"})
    found = at_work(monkeypatch, torch.optim.AdamW, "step")
    train(trainer, 2)
    assert found == [1] * 4


def test_nothing_is_left_to_many_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """The calling thread uses one thread of torch, too."""
    trainer = make(**TWO_THREADS)
    seen = seen_threads(monkeypatch, Optimizer, "clip")
    with own_threads(2):
        train(trainer, 1)
    assert seen == {1}


@runs
def test_number_of_threads(settings: dict[str, Any]) -> None:
    """Results are equal, bit for bit, whichever thread draws the random numbers. From four threads on, each part
    has two: on some processors, the last bits of MKL's products of few rows depend on that."""
    numbers = (1, 2, 3, 4)
    trainers: list[Trainer] = [dropping(settings, **{"training.n_threads": n}) for n in numbers]
    losses = [train(trainer, 4) for trainer in trainers]
    first, *others = (copy_of(trainer.tensors()) for trainer in trainers)
    for n, other, found in zip(numbers[1:], others, losses[1:], strict=True):
        assert first.keys() == other.keys()
        if n < 4:
            assert losses[0] == found
            assert all(torch.equal(tensor, other[name]) for name, tensor in first.items())
        else:
            np.testing.assert_allclose(found, losses[0], rtol=1e-5)


def test_resumed_with_other_threads() -> None:
    trainer = dropping({}, **{"training.n_threads": 2})
    train(trainer, 3)
    tensors = copy_of(trainer.tensors())
    expected = train(trainer, 3)
    other = dropping({}, **{"training.n_threads": 1})
    other.restore(tensors, batch=3)
    assert train(other, 3) == expected


def test_error_in_a_part(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = make(**TWO_THREADS)
    whole = PartwisePass._run_direction

    def broken(self: PartwisePass, k: int, *args: Any) -> Any:
        if k == 1:
            raise MemoryError("no room")
        return whole(self, k, *args)

    with monkeypatch.context() as patch:
        patch.setattr(PartwisePass, "_run_direction", broken)
        with pytest.raises(MemoryError, match="no room"):
            trainer.train_batch()
    train(trainer, 1)
    assert trainer.batch == 1
