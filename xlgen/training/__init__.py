"""The training loop and what it needs: set-up, stages, checkpoints, stored runs, presets."""
