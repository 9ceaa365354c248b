"""One module per command of python3 -m tools, imported only when it is called."""
