"""Own classes: a folder of images becomes a bundle and a report. See docs/own-classes.md."""
