"""The alerts room: what is to be told goes over the wire, to people and to programs."""
