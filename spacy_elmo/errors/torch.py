"""Messages of the torch module."""

from .classes import WithCodes


class TorchErrors(metaclass=WithCodes):
    EL870 = (
        "Ids must be a tensor of whole numbers, (batch, longest, {n_columns}), as encode() of the module makes "
        "it; got {got}. For token texts, give a list of lists of str."
    )
    EL871 = (
        "Token {token} of sentence {sentence} has no ids, but a later token of the sentence has. Rows of zeros "
        "are padding, which must be at the end."
    )
    EL872 = (
        "An id is {got}, but ids of {what} are from 0 to {highest} in this model. Make ids with encode() of the "
        "same module."
    )
    EL873 = "`n_mixes` must be a whole number from 0 up; got {got!r}."
    EL874 = "The module has no layer {got!r}. Its layers: {allowed}; the trained mixes are in `mixes`."
    EL875 = (
        "The initial state of a module cannot be changed from or to 'warm'. Make another one: ElmoModule(..., "
        "initial_state = 'warm')."
    )
    EL876 = (
        "`{name}` has hooks, or is not the part that the biLM was made with. What it computes cannot be saved as "
        "a model. Save state_dict(); or merge adapters, make pruning permanent and remove hooks first."
    )
