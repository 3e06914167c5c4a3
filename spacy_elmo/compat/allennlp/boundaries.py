"""Boundary tokens of padded batches: added to ids, removed from layers."""

import torch
from torch import Tensor


def add_sentence_boundary_token_ids(
    tensor: Tensor, mask: Tensor, sentence_begin_token: Tensor | int, sentence_end_token: Tensor | int
) -> tuple[Tensor, Tensor]:
    """Put boundary tokens before and after each sentence of a batch of ids.

    tensor (Tensor): (batch, longest, n_characters), or (batch, longest).
    mask (Tensor): (batch, longest), true for tokens.
    sentence_begin_token (Tensor | int): (n_characters,), the ids of <S>; or its id.
    sentence_end_token (Tensor | int): The same of </S>.
    RETURNS (tuple[Tensor, Tensor]): The ids, with two more tokens for each sentence, and the mask, (batch,
        longest + 2).
    """
    batch, longest = tensor.shape[:2]
    lengths = mask.long().sum(dim=1)
    ids = tensor.new_zeros(batch, longest + 2, *tensor.shape[2:])
    ids[:, 1:-1] = tensor
    ids[:, 0] = torch.as_tensor(sentence_begin_token).to(tensor)
    rows = torch.arange(batch, device=tensor.device)
    ids[rows, lengths + 1] = torch.as_tensor(sentence_end_token).to(tensor)
    return ids, ids != 0 if ids.dim() == 2 else (ids > 0).any(dim=-1)


def remove_sentence_boundaries(tensor: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Remove the first and the last token of each sentence of a batch.

    tensor (Tensor): (batch, longest, width).
    mask (Tensor): (batch, longest), true for tokens, those at both ends among them.
    RETURNS (tuple[Tensor, Tensor]): (batch, longest - 2, width), with zeros behind each sentence, and the mask,
        (batch, longest - 2), bool.
    """
    lengths = mask.long().sum(dim=1) - 2
    inner = torch.arange(tensor.size(1) - 2, device=tensor.device) < lengths.unsqueeze(1)
    return torch.where(inner.unsqueeze(2), tensor[:, 1:-1], 0), inner
