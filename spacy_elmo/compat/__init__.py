"""The interfaces of other ELMo programs over this package's models: only the import changes.

- `compat.allennlp`: `Elmo`, `batch_to_ids`, `ElmoEmbedder` and what is beneath them
- `compat.bilm`: `Batcher`, `dump_bilm_embeddings`, `weight_layers` and others of bilm-tf
- `compat.elmoformanylangs`: `Embedder`
- `compat.flair`: `ELMoEmbeddings`
- `compat.simple_elmo`: `ElmoModel`
- `compat.tfhub`: `Module`, `load`

All of them differ from the originals in this, on purpose: a sentence has the same vectors every time, unless the
LSTM state is asked for. What else differs is said in each module.
"""
