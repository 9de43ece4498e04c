"""The model tool, scripts/model.py: makes, judges and publishes model bundles."""
