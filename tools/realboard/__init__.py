"""Real boards: a session on a serial port, what goes to a board, what is looked at on it."""
