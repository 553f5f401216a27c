"""xlgen: how well will a multilingual model fine-tuned on English transfer to languages it never saw?

The package is read in the order of its layers; each imports only from those before it::

    errors, registry, config -> tasks, data, mini, segment -> models -> objectives -> train, store
    -> evaluate, measures -> study -> analysis, published, figures, ledger -> notebook, cli, sphinxext

Importing :mod:`xlgen` itself is free: neither torch nor transformers is loaded until something is computed.
"""

__version__ = "0.1.0"
