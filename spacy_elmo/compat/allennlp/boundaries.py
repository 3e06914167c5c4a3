"""Boundary tokens of padded batches: added to ids, removed from layers."""

import torch
from torch import Tensor


def add_sentence_boundary_token_ids(
    tensor: Tensor, mask: Tensor, sentence_begin_token: Tensor, sentence_end_token: Tensor
) -> tuple[Tensor, Tensor]:
    """Put boundary tokens before and after each sentence of a batch of character ids.

    tensor (Tensor): (batch, longest, n_characters).
    mask (Tensor): (batch, longest), true for tokens.
    sentence_begin_token (Tensor): (n_characters,), the ids of <S>.
    sentence_end_token (Tensor): (n_characters,), the ids of </S>.
    RETURNS (tuple[Tensor, Tensor]): The ids, (batch, longest + 2, n_characters), and the mask, (batch,
        longest + 2).
    """
    batch, longest, n_characters = tensor.shape
    lengths = mask.long().sum(dim=1)
    ids = tensor.new_zeros(batch, longest + 2, n_characters)
    ids[:, 1:-1] = tensor
    ids[:, 0] = sentence_begin_token.to(tensor)
    ids[torch.arange(batch, device=tensor.device), lengths + 1] = sentence_end_token.to(tensor)
    return ids, (ids > 0).any(dim=-1)


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
