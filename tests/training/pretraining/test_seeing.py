import torch

from favor.training.pretraining.seeing import told_loss


def test_nothing_weighs_little():
    logits = torch.zeros(4, 3)
    logits[0, 1] = 5.0  # only one place has something, and it is told
    wanted = torch.tensor([1, 0, 0, 0])
    assert told_loss(logits, wanted) < told_loss(torch.zeros(4, 3), wanted) / 2
