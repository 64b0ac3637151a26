"""The one table of what a manifest may say: validation, defaults, `mooring explain`, the reference page and the schema come from it."""
