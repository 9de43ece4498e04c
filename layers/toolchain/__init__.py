"""Builds the Lambda layers from pinned sources; see docs/layers.md."""
