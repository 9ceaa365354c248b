"""The servers a board talks to, for demo and tests: broker, files, time and the operator."""
