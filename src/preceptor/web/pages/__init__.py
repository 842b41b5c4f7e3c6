"""One module for each page or group of pages: its functions, its lines of the table, and beside it, a template."""
