"""What `python3 -m tools bench` measures, one group of lines a module."""
