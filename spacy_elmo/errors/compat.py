"""Messages of the modules that have the interface of other programs."""

from .classes import WithCodes


class CompatErrors(metaclass=WithCodes):
    EL880 = "{name}() requires a model. Call load(directory{how}) first."
    EL881 = (
        "With split = True, the sentence must be a str, whose tokens are separated by whitespace; got {got}. For "
        "a list of tokens, give split=False."
    )
    EL882 = "{name} must be {allowed}; got {got}."
    EL883 = (
        "nodelimiters = False is not supported: <S>, </S> and <UNK> are never substitutes. Leave it out, or give "
        "nodelimiters=True."
    )
    EL884 = (
        "The token {word} is not in '{path}', and has no number there. Add it to the vocabulary and write the "
        "token embeddings again (dump_token_embeddings), or read characters instead (Batcher)."
    )
    EL886 = "Signature '{signature}' of google/elmo: {where} must be {allowed}; got {got}. {advice}"
    EL887 = "{name} = {got} is not supported. Allowed: {allowed}."
    EL888 = (
        "output_layer = {got}, but {model} has {n_layers} LSTM layer(s). Allowed: -1, the mean of all layers; -2, "
        "all layers; 0, the layer below the LSTM; 1 to {n_layers}, an LSTM layer."
    )
    EL889 = "spacy_elmo.compat.flair requires the package {package}. Install it: pip install {package}"
    EL890 = (
        "A token must have a `text`, a str; got {got}. Give tokens with their texts, or use batch_to_ids() on "
        "lists of str."
    )
    EL891 = (
        "Length of initial_scalar_parameters: {got}, which differs from mixture_size: {n_layers}. Give one weight "
        "for each layer (word_emb and each LSTM layer)."
    )
    EL892 = "Give either `module`, which has its own weights, or options_file and weight_file; got both."
    EL893 = (
        "A mask of {got} rows was given, but the state has {n_rows} rows, one for each sentence of a batch. Give "
        "a mask of as many rows, or None (leave it out) to reset all."
    )
    EL894 = "from_params() got extra parameters: {names}. Allowed: {allowed}."
    EL895 = "output_format = {got!r} is not supported. Allowed: all, top, average."
    EL896 = (
        "The input has {n:,} empty line(s), the first of them line {line}. Each line must be a sentence: remove "
        "the empty ones."
    )
    EL897 = (
        "Line {line} of the input, {key!r}, occurs before, and cannot be a key of '{path}' twice. To embed the "
        "same sentence more than once, give use_sentence_keys=False."
    )
    EL899 = (
        "{source} has a vocabulary of characters, as ELMoForManyLangs' models have, and AllenNLP's code reads "
        "bytes. Use spacy_elmo.torch.ElmoModule, or spacy_elmo.compat.elmoformanylangs."
    )
    EL898 = (
        "Line {line} of the input, {key!r}, cannot be the key of an HDF5 dataset: it is '.', or contains a slash "
        "or NUL. Give use_sentence_keys=False, whose keys are the numbers of the lines from 0 up."
    )
