"""How fast the library is, beside the peers that are installed and in the same process: ``python -m benchmarks``.

Not part of the installed package. Every number is a ratio to a plain forward and backward pass that was timed
immediately before it, every value is checked against a naive loop, and what could not be run is named with the reason.
"""
