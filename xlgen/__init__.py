"""xlgen: how well will a multilingual model fine-tuned on English transfer to languages it never saw?

The package is read in the order of its rooms; each imports only from those before it::

    core -> data -> models -> fisher -> objectives -> training -> measures -> analysis -> cli

The book and its apparatus (:mod:`paper`) stand on it.

Importing :mod:`xlgen` itself is free: neither torch nor transformers is loaded until something is computed.
"""

__version__ = "0.1.0"
