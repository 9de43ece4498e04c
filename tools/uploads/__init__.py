"""The tool for uploads: their queues, and a folder in place of a bucket."""
