"""preceptor: a large model coaches a small one, without touching weights."""
