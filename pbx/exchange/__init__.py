"""The exchange: switchboard, bridge, registrar, directory. What a call is, whatever the dialplan says of it."""
