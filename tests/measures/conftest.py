"""A small classifier in double precision, and data for it."""

import pytest
import torch
from test_measures import Toy


@pytest.fixture
def data():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(23, 4, generator=generator, dtype=torch.float64)
    return x, torch.randint(0, 3, (23,), generator=generator)


@pytest.fixture
def toy():
    torch.manual_seed(0)
    return Toy().double().eval()
