"""``python -m pretraining``: pretrain an encoder for the miniature."""

from pretraining.pretrain import main

if __name__ == "__main__":
    main()
