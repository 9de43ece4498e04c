"""The commands of scripts/model.py, one a module; each is called ``command``."""
