"""``python -m paper``: the command line with the commands of the book."""

from paper.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
