"""Memory is bounded by max_batch_tokens, not by the corpus."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.data import Measured, shared_path
from tests.platforms import resources

CODE = """
import itertools, resource, sys
import spacy
from spacy.tokens import Doc
from spacy_elmo.inputs.reader import Inputs
from pathlib import Path

source, text, n_tokens = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
nlp = spacy.blank("en")
nlp.add_pipe("elmo_embedder", config={"source": str(source)})
sentences = [sentence.tokens for sentence in Inputs(text).read()]

def docs():
    made = 0
    for words in itertools.cycle(sentences):
        if made >= n_tokens:
            return
        made += len(words)
        yield Doc(nlp.vocab, words=words)

seen = sum(len(doc) for doc in nlp.pipe(docs()))
# Of this program alone: what getrusage tells has the parent's peak in it, from before the program began.
status = Path("/proc/self/status")
own = [line.split()[1] for line in status.read_text().splitlines() if "VmHWM" in line] if status.exists() else []
print(seen, own[0] if own else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def peak(source: Path, text: Path, n_tokens: int) -> int:
    command = [sys.executable, "-c", CODE, str(source), str(text), str(n_tokens)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == 0, done.stderr
    seen, kilobytes = map(int, done.stdout.split())
    assert seen >= n_tokens
    return kilobytes


@pytest.mark.slow
@resources
def test_peak_of_200_000_tokens_is_that_of_60_000(measured: Measured, parity: Path) -> None:
    text = shared_path("corpora/ud_ewt/en_ewt-ud-dev.conllu")
    # The largest model at hand, so that what is measured is not the interpreter alone.
    source = parity / "bilm" / "realistic"
    # The text has 25,000 tokens: after 60,000 every word was seen, and as many batches as are ever held.
    small, large = peak(source, text, 60_000), peak(source, text, 200_000)
    measured(
        f"nlp.pipe, peak memory: 60,000 tokens {small:,} KiB, 200,000 tokens {large:,} KiB, {large / small:.3f}"
    )
    assert large <= 1.07 * small
