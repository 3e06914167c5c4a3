"""Speed of spacy_elmo against its peers: `python -m benchmarks`. See BENCHMARKS.md."""
