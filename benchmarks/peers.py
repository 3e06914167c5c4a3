"""The programs that are compared: their virtual environments and their processes."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WORKERS = Path(__file__).parent / "workers"
Sentences = list[list[str]]


@dataclass(frozen=True, kw_only=True)
class Peer:
    """name: in tables. python: the version it needs. requirements: for pip. worker: its file in workers/."""

    name: str
    python: str
    requirements: tuple[str, ...]
    worker: str


PEERS = (
    Peer(
        name="allennlp",
        python="3.9",
        requirements=("allennlp==2.10.1", "torch==1.12.1", "numpy<1.24", "spacy==3.3.3", "thinc==8.0.17"),
        worker="run_allennlp.py",
    ),
    Peer(
        name="simple_elmo",
        python="3.10",
        requirements=("simple_elmo==0.9.2", "tensorflow-cpu<2.16", "numpy<2"),
        worker="run_simple_elmo.py",
    ),
)


def environment(peer: Peer, folder: Path) -> Path | None:
    """The Python of the peer's virtual environment, which is made if need be; None without a Python for it."""
    python = folder / peer.name / "bin" / "python"
    ready = folder / peer.name / "ready"
    if ready.exists():
        return python
    base = find_python(peer.python)
    if base is None:
        return None
    shutil.rmtree(folder / peer.name, ignore_errors=True)
    subprocess.run([base, "-m", "venv", str(folder / peer.name)], check=True)
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", *peer.requirements], check=True)
    ready.touch()
    return python


def find_python(version: str) -> str | None:
    """A Python of this version: on the path, or among pyenv's."""
    candidates = [f"python{version}"]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates += [str(path / "bin" / "python") for path in sorted(pyenv.glob(f"{version}.*"), reverse=True)]
    for candidate in candidates:
        # A name on the path may be a shim that only says which versions there are.
        if shutil.which(candidate) and subprocess.run([candidate, "-V"], capture_output=True).returncode == 0:
            return candidate
    return None


class Process:
    """A program that has loaded the model and embeds on request; see workers/protocol.py."""

    def __init__(
        self, name: str, python: Path = Path(sys.executable), *, worker: str, on_gpu: bool = False, **options: Any
    ):
        self.name = name
        # A file: a pipe that no one reads would fill up and stop the program.
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        self._process = subprocess.Popen(
            [str(python), str(WORKERS / worker), json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**os.environ, "PYTHONWARNINGS": "ignore", **({} if on_gpu else {"CUDA_VISIBLE_DEVICES": ""})},
        )
        self.about: dict[str, Any] = self._answer()

    def tokens_per_second(self, sentences: Sentences, batch_size: int, save: Path | None = None) -> float:
        return self.ask({"sentences": sentences, "batch_size": batch_size, "save": str(save) if save else None})

    def ask(self, request: dict[str, Any]) -> float:
        """Tokens per second that the program took for a request."""
        answer = self.answer_to(request)
        return float(answer["tokens"]) / float(answer["seconds"])

    def answer_to(self, request: dict[str, Any]) -> dict[str, Any]:
        """All that the program answers to a request."""
        assert self._process.stdin is not None
        # A program that has ended breaks the pipe, and its error stream, which is read next, says why.
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        return self._answer()

    def stop(self) -> None:
        """End the process, and forget what it wrote to its error stream."""
        # What a program that has ended did not read is still to be written when its pipe is closed.
        with contextlib.suppress(BrokenPipeError), self._process:
            pass
        self._errors.close()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            self._errors.seek(0)
            errors = self._errors.read()
            self.stop()
            raise RuntimeError(f"{self.name} stopped without an answer:\n{errors[-3000:]}")
        answer: dict[str, Any] = json.loads(line)
        return answer


def ours(precision: str, **options: Any) -> Process:
    """This package, in this Python."""
    name = f"spacy_elmo {precision}"
    return Process(name, worker="run_spacy_elmo.py", precision=precision, **options)
