"""The review: pages on which a person reads, corrects and signs what the student is told. `web.app` is the door."""
