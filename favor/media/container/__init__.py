"""An open file: its streams, its packets and its length."""
