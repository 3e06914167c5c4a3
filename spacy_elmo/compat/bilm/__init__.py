"""The interface of bilm-tf in NumPy, without TensorFlow: a call computes at once, and gives arrays.

On purpose, a sentence has the same vectors every time, unless `initial_state="carry"` asks for the LSTM state.
"""

from .data import Batcher, TokenBatcher, UnicodeCharsVocabulary, Vocabulary
from .dumps import dump_bilm_embeddings, dump_token_embeddings
from .elmo import weight_layers
from .model import BidirectionalLanguageModel

__all__ = [
    "Batcher",
    "BidirectionalLanguageModel",
    "TokenBatcher",
    "UnicodeCharsVocabulary",
    "Vocabulary",
    "dump_bilm_embeddings",
    "dump_token_embeddings",
    "weight_layers",
]
