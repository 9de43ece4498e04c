"""What stands behind scripts/model.py: making, judging and publishing model bundles."""
