"""Worlds of simulated models with known truth, and a server that speaks the OpenAI protocol for them.

A world is a data file (docs/reference/worlds.md). Its models read the messages of a request and nothing else; every
number that comes from them is *simulated*, and whoever shows one says so.
"""
