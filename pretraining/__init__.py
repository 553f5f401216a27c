"""How the miniature's encoder was made: ``python -m pretraining`` (see :mod:`pretraining.pretrain`)."""
