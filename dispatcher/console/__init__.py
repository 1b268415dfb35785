"""The console room: the door of the dispatcher for people and programs (HTTP, events, a small page)."""
