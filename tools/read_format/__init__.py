"""Second reader of the batpak format, written from docs/format.md alone. See ../read_format.py."""
