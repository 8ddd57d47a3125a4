"""What every room may use: checks of arguments, hints in errors, names in tables, files that appear whole."""
