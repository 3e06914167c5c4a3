"""Make spacy_elmo/data/warm_sentences.txt: English sentences from which a warm state is made.

    python scripts/make_warm_sentences.py train.txt.xz

The text has a paragraph a line and an empty line between documents: first novels, last presidential speeches, both
in the public domain; what stands between them is not, and is not read. Run from the repository's root; the result
is committed, and changes only when this script does.
"""

import lzma
import random
import sys
from pathlib import Path

import spacy
from spacy.language import Language

OUTPUT = Path(__file__).parent.parent / "spacy_elmo" / "data" / "warm_sentences.txt"
SEED = 20180615
N_NOVELS, N_SPEECHES = 89, 118
# Of each of the two kinds.
N_SENTENCES = 240
# Tokens in a sentence.
SHORTEST, LONGEST = 8, 50
# In some of the novels, whoever prepared them has deleted the dashes.
LEAST_DASHES = 100
# Words of their time, of which no one wants to be reminded here.
AVOIDED = {"savage", "savages", "cripple", "suicide", "white", "breasts", "terrorists", "terrorist"}


def main() -> None:
    with lzma.open(sys.argv[1], "rt", encoding="utf-8") as file:
        documents = file.read().split("\n\n")
    novels = [novel for novel in documents[:N_NOVELS] if novel.count(" - ") >= LEAST_DASHES]
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    chance = random.Random(SEED)
    sentences = [
        *choose(novels, nlp, chance),
        *choose(documents[-N_SPEECHES:], nlp, chance),
    ]
    chance.shuffle(sentences)
    OUTPUT.write_text("".join(f"{sentence}\n" for sentence in sentences), "utf-8")


def choose(documents: list[str], nlp: Language, chance: random.Random) -> list[str]:
    """Sentences, their tokens separated by blanks: every document is as likely as any other to give the next."""
    paragraphs = [document.splitlines() for document in documents]
    chosen: list[str] = []
    while len(chosen) < N_SENTENCES:
        spans = list(nlp(chance.choice(chance.choice(paragraphs))).sents)
        tokens = [token.text for token in chance.choice(spans)] if spans else []
        sentence = " ".join(tokens)
        if is_whole(tokens) and sentence.split() == tokens and sentence not in chosen:
            chosen.append(sentence)
    return chosen


def is_whole(tokens: list[str]) -> bool:
    """Whether this looks like one whole sentence, with both ends and both of every two quotation marks."""
    ends = tokens[-1:] in (["."], ["?"], ["!"]) or tokens[-2:] in (['."'], [".", '"'], ["?", '"'], ["!", '"'])
    starts = tokens[:1] != [] and tokens[0 if tokens[0] != '"' else 1][0].isupper()
    fits = SHORTEST <= len(tokens) <= LONGEST
    return ends and starts and fits and tokens.count('"') % 2 == 0 and not AVOIDED.intersection(tokens)


if __name__ == "__main__":
    main()
