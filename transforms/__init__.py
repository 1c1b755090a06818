"""Thin Beam transforms over ``favor``: as little logic as possible here."""
