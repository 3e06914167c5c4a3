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
    EL892 = (
        "Don't provide options_file or weight_file with `module`: it brings its own weights. Give None for both."
    )
    EL893 = (
        "A mask of {got} rows was given, but the state has {n_rows} rows, one for each sentence of a batch. Give "
        "a mask of as many rows, or none to reset all."
    )
    EL894 = "from_params() got extra parameters: {names}. Allowed: {allowed}."
    EL895 = "output_format = {got!r} is not supported. Allowed: all, top, average."
    EL896 = "Your input file contains empty lines at indexes {lines}. Please remove them."
    EL897 = (
        "Key already exists in {path}: line {line}, {key!r}, occurs twice. To embed the same sentence more than "
        "once, give use_sentence_keys=False."
    )
    EL899 = (
        "{source} has a vocabulary of characters, as ELMoForManyLangs' models have, and AllenNLP's code reads "
        "bytes. Use spacy_elmo.torch.ElmoModule, or spacy_elmo.compat.elmoformanylangs."
    )
    EL898 = (
        "Line {line}, {key!r}, cannot be the key of an HDF5 dataset ({reason}). Give use_sentence_keys=False, "
        "whose keys are the numbers of the lines."
    )
