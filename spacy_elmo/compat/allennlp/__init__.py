"""AllenNLP's ELMo: `Elmo`, `batch_to_ids`, `ElmoEmbedder` and the classes beneath, of versions 0.9 and 2.10.

On purpose, a sentence has the same vectors every time: `Elmo` and `ElmoEmbedder` carry the LSTM state from batch
to batch only with `stateful=True`. `_ElmoBiLm` alone carries it, as there, unless `_elmo_lstm.stateful` is false.
Masks are bool, as in AllenNLP 2. Names of parameters and of a state_dict are AllenNLP's.

Hooks on parts of the biLM, and parts that others have put in place of its own, are called: all parts are then
called one by one, at about AllenNLP's speed, and with its precision under autocast. A change of a few numbers of a
frozen biLM by `parameter.data` may not be noticed: call `elmo._elmo_lstm.refresh()`.
"""

# What AllenNLP raises for wrong values.
from ...errors import ElmoError as ConfigurationError
from .bilm_modules import DEFAULT_OPTIONS_FILE, DEFAULT_WEIGHT_FILE, _ElmoBiLm, _ElmoCharacterEncoder
from .boundaries import add_sentence_boundary_token_ids, remove_sentence_boundaries
from .character_ids import ELMoCharacterMapper, ELMoTokenCharactersIndexer, batch_to_ids
from .elmo_embedder import DEFAULT_BATCH_SIZE, ElmoEmbedder, empty_embedding
from .elmo_modules import Elmo, ElmoTokenEmbedder
from .lstm_networks import ElmoLstm
from .mixing import ScalarMix

__all__ = [
    "DEFAULT_BATCH_SIZE",
    "DEFAULT_OPTIONS_FILE",
    "DEFAULT_WEIGHT_FILE",
    "ConfigurationError",
    "ELMoCharacterMapper",
    "ELMoTokenCharactersIndexer",
    "Elmo",
    "ElmoEmbedder",
    "ElmoLstm",
    "ElmoTokenEmbedder",
    "ScalarMix",
    "_ElmoBiLm",
    "_ElmoCharacterEncoder",
    "add_sentence_boundary_token_ids",
    "batch_to_ids",
    "empty_embedding",
    "remove_sentence_boundaries",
]
