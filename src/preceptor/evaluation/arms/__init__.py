"""Ways to answer customers that are not a student or a teacher as they come: one short module each.

Every arm is a `dialogue.Agent`; those that add text to the prompt say what with `inserted(context)`, and add at most
`tokens` of it where the student heeds it.
"""
