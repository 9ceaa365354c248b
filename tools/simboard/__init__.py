"""A simulated board: flash, boot loader and hardware modules around a real interpreter."""
