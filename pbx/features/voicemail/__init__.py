"""Voicemail: messages are taken, kept, told of by lamps and by e-mail, and heard by their owner's phone."""
