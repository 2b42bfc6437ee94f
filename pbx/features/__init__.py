"""Features: what a PBX does with calls beyond connecting them, one feature a file or a folder. Dialplans call them."""
