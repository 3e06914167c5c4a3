"""docs/serve.md: what it shows for other programs runs, and its numbers are those of the code."""

import inspect
import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from spacy_elmo.cli.serve import serve, serve_cli
from spacy_elmo.server.bounded_splitter import WORD_CHARACTERS
from spacy_elmo.server.limits import Limits
from tests.data import ROOT
from tests.server.running import Running

# Without line breaks.
PAGE = (ROOT / "docs" / "serve.md").read_text("utf-8")
TEXT = " ".join(PAGE.split())


def find_block(language: str, words: str, running: Running) -> str:
    """The block with these words, with the address of this server."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.S | re.M)
    [code] = [block for block in blocks if words in block]
    assert "http://127.0.0.1:8000" in code
    return str(code).replace("http://127.0.0.1:8000", running.url)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl(served: Running) -> None:
    command = shlex.split(find_block("bash", "curl", served))
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == served.post({"tokens": ["I", "love", "NLP"]}).text


@pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")
def test_javascript(served: Running, tmp_path: Path) -> None:
    script = tmp_path / "request.mjs"
    code = find_block("javascript", "fetch", served)
    script.write_text(f"{code}\nconsole.log(JSON.stringify(sentences));\n", "utf-8")
    done = subprocess.run(["node", script], capture_output=True, text=True, timeout=60, check=True)
    answer = served.post({"text": "I love NLP", "layers": ["lstm_outputs1"]})
    assert json.loads(done.stdout) == answer.json()["sentences"]


def test_options() -> None:
    """The table has every option of the command."""
    table = PAGE[PAGE.index("| option |") : PAGE.index("## Vectors as JSON")]
    options = [name.replace("_", "-") for name in inspect.signature(serve_cli).parameters]
    assert sorted({*re.findall(r"`--([a-z-]+)`", table)}) == sorted(options)
    defaults = {name: parameter.default for name, parameter in inspect.signature(serve).parameters.items()}
    assert f"{defaults['host']} and {defaults['port']}. Port 0" in table
    assert f"| the most tokens of a request: {defaults['max_tokens']:,} |" in table


def test_limits() -> None:
    limits = Limits()
    assert (limits.n_slots, limits.n_threads) == (8, 2)
    assert "Eight requests are in work at a time" in TEXT
    assert "and two are computed" in TEXT
    for words in (
        f"the body has more than {limits.max_body_bytes // 1024} KiB",
        f"a word over {WORD_CHARACTERS:,} characters",
        f"more than {limits.n_waiting:,} requests wait",
        f"did not arrive in {limits.body_seconds:g} seconds",
        f"sends no request for {limits.body_seconds:g} seconds",
        f"answer within {limits.answer_seconds:g} seconds",
        f"and one more for every {limits.bytes_per_second // 1024} KiB",
        f"are answered, within {limits.stop_seconds:g} seconds",
    ):
        assert words in TEXT
