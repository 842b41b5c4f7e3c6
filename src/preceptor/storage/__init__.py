"""The database, its migrations, runs, vectors, canonical JSON and content hashes. Knows no domain words.

Import from the modules: whoever only hashes should not load SQLAlchemy.
"""
