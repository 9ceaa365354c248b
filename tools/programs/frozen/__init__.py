"""MicroPython from its sources with the device package frozen into it, as a product's firmware has it."""
