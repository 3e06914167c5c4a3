"""Many clients at a time: right vectors for each, and no more memory the second time."""

import asyncio
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spacy_elmo
from spacy_elmo.elmo import Elmo
from spacy_elmo.server.limits import Limits
from tests.cli.test_serve import start
from tests.data import Measured
from tests.platforms import linux_memory
from tests.server.running import HOST, head, run_server, serve_tiny

Fields = dict[str, Any]
# Bodies that are refused: with which status, code and words.
WRONG = {
    b"{}": (422, "EL344", "none of 'text' and 'tokens'"),
    b'{"tokens": 1}': (422, "EL345", "'tokens' is 1"),
    b'{"tokens": ["a"], "layers": ["none"]}': (422, "EL030", "none"),
    b'{"text": "a': (400, "EL341", "Unterminated string"),
    b'{"text": "%s"}' % (b"a " * 2_500): (413, "EL340", "more tokens, but 2,048 are allowed"),
    b'{"text": "%s"}' % (b"a " * 150_000): (413, "EL340", "300,012 bytes, but 262,144 are allowed"),
    b'{"text": "%s"}' % (b"a" * 1_001): (413, "EL359", "1,001 characters without a space"),
}
# MiB that the second round may take more than the first. Measured: up to 17 in rounds of a gigabyte of answers.
MARGIN = 64


def make_requests(number: int, words: list[str], seed: int) -> list[bytes]:
    """Requests of one to 60 sentences, of all layers or one; every third as text; every tenth wrong."""
    pick = random.Random(seed)
    found: list[bytes] = []
    for k in range(number):
        if k % 10 == 9:
            found.append([*WRONG][k // 10 % len(WRONG)])
            continue
        n_sentences = pick.choice([1, 1, 2, 3, 5, 10, 20, 60])
        sentences = [[pick.choice(words) for _ in range(pick.randint(1, 20))] for _ in range(n_sentences)]
        fields: Fields = {"layers": pick.choice([["elmo"], ["word_emb"], "*"])}
        if k % 3:
            fields["tokens"] = sentences
        else:
            fields["text"] = "\n".join(" ".join(sentence) for sentence in sentences)
        found.append(json.dumps(fields).encode())
    return found


async def send(port: int, body: bytes) -> tuple[int, Any]:
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(head(body, more="Connection: close"))
    start_line, _, rest = (await reader.read()).partition(b"\r\n")
    writer.close()
    await writer.wait_closed()
    return int(start_line.split()[1]), json.loads(rest.partition(b"\r\n\r\n")[2])


async def send_all(port: int, requests: list[bytes]) -> list[tuple[int, Any]]:
    return await asyncio.gather(*(send(port, body) for body in requests))


def check_answers(elmo: Elmo, requests: list[bytes], answers: list[tuple[int, Any]]) -> int:
    """Compare all vectors. RETURNS: the number of tokens."""
    n_tokens = 0
    for body, (status, answer) in zip(requests, answers):
        if body in WRONG:
            expected_status, code, words = WRONG[body]
            assert (status, answer["error"]["code"]) == (expected_status, code)
            assert words in answer["error"]["message"]
            continue
        assert status == 200
        fields: Fields = json.loads(body)
        sentences = [sentence["tokens"] for sentence in answer["sentences"]]
        if "tokens" in fields:
            assert sentences == fields["tokens"]
        else:
            texts = elmo.embed_texts([fields["text"]], layers=[])
            assert [token for sentence in sentences for token in sentence] == texts[0].tokens
        for sentence, expected in zip(answer["sentences"], elmo.embed(sentences, layers=fields["layers"])):
            assert list(sentence["layers"]) == expected.names
            for name, rows in sentence["layers"].items():
                np.testing.assert_allclose(np.array(rows, dtype=np.float32), expected[name], atol=2e-5)
        n_tokens += sum(map(len, sentences))
    return n_tokens


def test_mixed_requests(elmo: Elmo, sentences: list[list[str]]) -> None:
    """Few slots and threads, many clients."""
    words = [word for sentence in sentences for word in sentence]
    requests = make_requests(100, words, seed=0)
    for limits in (Limits(), Limits(n_slots=3, n_threads=3), Limits(n_slots=1, n_threads=1)):
        with run_server(serve_tiny(elmo), limits=limits) as running:
            answers = asyncio.run(send_all(running.port, requests))
            assert running.server.admission.n_inside == 0
        assert check_answers(elmo, requests, answers) > 5_000


def get_memory(process_id: int) -> float:
    """MiB of a process that are in memory."""
    lines = Path(f"/proc/{process_id}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1_024 for line in lines if line.startswith("VmRSS:"))


@pytest.mark.slow
@linux_memory
def test_memory(sentences: list[list[str]], measured: Measured) -> None:
    """Twice 500 requests at once to the bundled model, with new words each time."""
    words = [word for sentence in sentences for word in sentence]
    elmo = spacy_elmo.load()
    with start() as command:
        port = int(command.url.rpartition(":")[2])
        found = [get_memory(command.process.pid)]
        for seed in range(2):
            requests = make_requests(500, [f"{word}{seed}" for word in words], seed=seed)
            answers = asyncio.run(send_all(port, requests))
            found.append(get_memory(command.process.pid))
            assert check_answers(elmo, requests, answers) > 25_000
        shown = ", ".join(f"{mib:.0f}" for mib in found)
        measured(f"server: {shown} MiB before and after each of two rounds of 500 requests at once")
        assert found[2] < found[1] + MARGIN
