"""The live page, served by the command in a process of its own."""

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty, Queue
from typing import NamedTuple

# Seconds until the server must have said where it is; a model is loaded first.
PATIENCE = 120


class Served(NamedTuple):
    """A server that runs.

    url (str): The address of the page.
    port (int): The port in it.
    process (subprocess.Popen[str]): The command.
    """

    url: str
    port: int
    process: "subprocess.Popen[str]"


@contextmanager
def serve(*arguments: str) -> Iterator[Served]:
    """Run `spacy-elmo serve` at a free port, and stop it as Ctrl+C does.

    arguments (str): Arguments of the command.
    YIELDS (Served): The server, when it answers.
    """
    command = [sys.executable, "-m", "spacy_elmo", "serve", "--port", "0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        lines: Queue[str] = Queue()
        # Reads to the end: a full pipe would stop the server.
        reader = threading.Thread(target=pass_lines, args=(process, lines))
        reader.start()
        try:
            port = wait_for_port(lines, process)
            yield Served(url=f"http://127.0.0.1:{port}/", port=port, process=process)
        finally:
            process.terminate()
            process.wait(timeout=PATIENCE)
            reader.join()


def pass_lines(process: "subprocess.Popen[str]", lines: "Queue[str]") -> None:
    for line in process.stdout or ():
        lines.put(line)


def wait_for_port(lines: "Queue[str]", process: "subprocess.Popen[str]") -> int:
    said = ""
    while True:
        try:
            said += lines.get(timeout=PATIENCE if process.poll() is None else 0.1)
        except Empty:
            raise AssertionError(f"the server did not say where it is:\n{said}") from None
        if match := re.search(r"http://127\.0\.0\.1:(\d+)", said):
            return int(match[1])
