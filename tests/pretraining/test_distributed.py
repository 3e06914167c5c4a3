"""Two processes on this machine, as torchrun starts them, against one."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import pytest
import torch
from confection import Config

from spacy_elmo.cli.pretrain import pretrain
from spacy_elmo.pretraining.distributed import LOCK_NAME, Processes, lock_folder, select_device
from tests.data import ROOT
from tests.platforms import LOOPBACK
from tests.pretraining.runs import (
    a_run,
    batches,
    before_batch,
    checkpoint_tensors,
    difference,
    entries,
    make_config,
    sections,
    train,
)

# The gradients of two halves of a batch are averaged, where one process sums over all rows at once: the order of
# additions differs, and so do the last bits of float32. Seen: 1.2e-7. Gradients that are not averaged make a
# difference of 0.3. Dropout is 0: each process drops other numbers.
TOLERANCE = 5e-6
SETTINGS: dict[str, dict[str, Any]] = {
    "sampled": {"optimizer__learn_rate": 0.003},
    "adaptive": {"softmax__kind": "adaptive", "softmax__cutoffs": [8], "optimizer__name": "adagrad"},
    # Its steps are the gradients' signs at first, so that rounding shows more.
    "adamw": {"softmax__kind": "full", "optimizer__learn_rate": 0.001},
}
STOP = 11


def settings(name: str, **more: Any) -> dict[str, Any]:
    return {"training__dropout": 0, "training__max_batches": 20, **SETTINGS[name], **more}


def two_at_work(folder: Path) -> None:
    """Fork, which takes half as long as starting two processes; nothing has run yet that a fork would break."""
    child = os.fork()
    os.environ["RANK"] = "0" if child else "1"
    try:
        work(folder)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    if not child:
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0


def work(folder: Path) -> None:
    """Run in each of the two processes, and write the results into a file of each."""
    found: dict[str, Any] = {}
    for name in SETTINGS:
        found[name] = train(make_config(folder, **settings(name)), folder / f"two-{name}").trainer.batch
    rank = int(os.environ["RANK"])
    with a_run(make_config(folder, **settings("sampled")), folder / "two-stopped") as run:

        def act(batch: int) -> None:
            if batch == STOP - 2 and rank == 1:
                os.kill(os.getpid(), signal.SIGTERM)

        before_batch(run, act)
        found["stopped"] = [run.train(), run.trainer.batch]
    found["resumed"] = train(
        make_config(folder, **settings("sampled")), folder / "one-stopped", resume=True
    ).trainer.batch
    three = make_config(folder, **settings("sampled", training__n_rows=3))
    with pytest.raises(ValueError, match="EL081") as caught:
        train(three, folder / "uneven")
    found["uneven"] = str(caught.value)
    processes = Processes.join(torch.device("cpu"))
    found["rank"] = [processes.rank, processes.size, processes.is_first]
    found["rows"] = [processes.rows(8).start, processes.rows(8).stop]
    processes.leave()
    (folder / f"{rank}.json").write_text(json.dumps(found))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run one process here, and two as children; read their results."""
    if not hasattr(os, "fork"):
        pytest.skip("no os.fork")
    folder = tmp_path_factory.mktemp("processes")
    for name in SETTINGS:
        train(make_config(folder, **settings(name)), folder / f"one-{name}")
    train(make_config(folder, **settings("sampled")), folder / "one-stopped", signal_in=5)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code = (
        "import sys, torch._dynamo; from pathlib import Path; from tests.pretraining import test_distributed; "
        "test_distributed.two_at_work(Path(sys.argv[1]))"
    )
    environment = {
        **os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2",
        "OMP_NUM_THREADS": "1",
        # Else gloo asks the network for this machine's name.
        "GLOO_SOCKET_IFNAME": LOOPBACK,
    }  # fmt: skip
    command = [sys.executable, "-c", code, str(folder)]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            errors = process.communicate(timeout=300)[1]
        finally:
            # Both: the one that was started, and the one that it has made.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, errors
    return folder


def test_one_gpu_for_each_process(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def check(name: str) -> torch.device:
        asked.append(name)
        return torch.device("cpu")

    monkeypatch.setattr("spacy_elmo.pretraining.distributed.check_device", check)
    for rank in (None, "0", "3"):
        monkeypatch.delenv("LOCAL_RANK", raising=False)
        if rank is not None:
            monkeypatch.setenv("LOCAL_RANK", rank)
        for name in ("cuda", "cuda:1", "cpu"):
            select_device(name)
    assert asked == ["cuda", "cuda:1", "cpu", "cuda:0", "cuda:1", "cpu", "cuda:3", "cuda:1", "cpu"]


def found(folder: Path) -> list[dict[str, Any]]:
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in (0, 1)]


def assert_close(one: Path, other: Path) -> None:
    assert difference(checkpoint_tensors(one), checkpoint_tensors(other)) < TOLERANCE
    assert len(entries(one)) == len(entries(other)) == 8
    for first, second in zip(entries(one), entries(other)):
        assert second == pytest.approx(first, rel=TOLERANCE)


@pytest.mark.slow
@pytest.mark.parametrize("name", SETTINGS)
def test_equal_to_one_process(folder: Path, name: str) -> None:
    assert [process[name] for process in found(folder)] == [20, 20]
    assert_close(folder / f"one-{name}", folder / f"two-{name}")
    weights = checkpoint_tensors(folder / f"one-{name}")
    with a_run(make_config(folder, **settings(name)), folder / "fresh") as run:
        moved = difference(
            {name: weights[f"model.{name}"] for name in run.model.state_dict()}, run.model.state_dict()
        )
    shutil.rmtree(folder / "fresh")
    # The weights have gone a long way together.
    assert moved > 1000 * TOLERANCE


def test_signal_to_one_process(folder: Path) -> None:
    assert [process["stopped"] for process in found(folder)] == [[False, STOP], [False, STOP]]
    assert batches(folder / "two-stopped")[-1] == STOP


def test_from_two_processes_to_one(folder: Path) -> None:
    shutil.copytree(folder / "two-stopped", folder / "one-of-two")
    train(make_config(folder, **settings("sampled")), folder / "one-of-two", resume=True)
    assert_close(folder / "one-of-two", folder / "one-sampled")


def test_from_one_process_to_two(folder: Path) -> None:
    assert [process["resumed"] for process in found(folder)] == [20, 20]
    assert_close(folder / "one-stopped", folder / "one-sampled")


def test_indivisible_rows(folder: Path) -> None:
    for process in found(folder):
        assert "[EL081] The 3 rows of a batch cannot be divided evenly among 2 processes" in process["uneven"]
    assert not (folder / "uneven").exists()


def test_ranks(folder: Path) -> None:
    assert [process["rank"] for process in found(folder)] == [[0, 2, True], [1, 2, False]]
    assert [process["rows"] for process in found(folder)] == [[0, 4], [4, 8]]


def test_alone() -> None:
    """Without torchrun, tensors do not change."""
    processes = Processes.join(torch.device("cpu"))
    assert (processes.rank, processes.size, processes.is_first) == (0, 1, True)
    assert processes.rows(7) == slice(0, 7)
    tensor = torch.arange(6.0)
    processes.average([tensor])
    assert tensor.tolist() == [0, 1, 2, 3, 4, 5]
    assert processes.join_rows(tensor, dim=0) is tensor
    processes.wait()
    processes.leave()


def test_second_run_in_the_folder(tmp_path: Path) -> None:
    Config(sections(tmp_path, training__max_batches=2)).to_disk(tmp_path / "pretrain.cfg")
    config = tmp_path / "pretrain.cfg"
    with lock_folder(tmp_path / "run"), pytest.raises(BlockingIOError, match=r"EL273.*another output folder"):
        pretrain(config, tmp_path / "run")
    assert [path.name for path in (tmp_path / "run").iterdir()] == [LOCK_NAME]
    assert pretrain(config, tmp_path / "run")
    torch.set_flush_denormal(False)


def test_lock_of_a_killed_run(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from spacy_elmo.pretraining.distributed import lock_folder\n"
        "with lock_folder(Path(sys.argv[1])): print('locked', flush=True); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.stdout == "locked\n"
    with lock_folder(tmp_path):
        pass


def test_lock_is_for_the_first_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with lock_folder(tmp_path):
        monkeypatch.setenv("RANK", "1")
        with lock_folder(tmp_path):
            pass
