"""Ways into other people's benchmarks, none of which is a dependency: each is imported when it is used."""
