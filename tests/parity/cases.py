"""Goldens in HDF5 form, each sentence on its own."""

CASES = [
    *(f"bilm/{name}" for name in (
        "base", "clipping", "clipping_small", "one_layer", "realistic", "short_chars", "tanh_deep"
    )),
    *(f"bilm_tf_only/{name}" for name in ("no_clip", "no_cnn_proj", "no_highway", "no_projection", "no_skip")),
]  # fmt: skip
