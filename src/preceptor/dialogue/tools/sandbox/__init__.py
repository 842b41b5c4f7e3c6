"""Tools over a database that every conversation has to itself, and a check of what the conversation left in it.

Promises: conversations never see each other, and the file is never written; the same customer and calls leave the same
rows; a call that fails leaves nothing behind; what a task's gold actions say is told to nobody who talks.
"""
