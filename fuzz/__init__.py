"""The fuzzer: phones that misuse a whole exchange, damage on the way to it, and what must hold all the same."""
