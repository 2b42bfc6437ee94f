"""Media: values (rtp, g711, description, errors), machines (latch, port, relay), edges (sockets)."""
