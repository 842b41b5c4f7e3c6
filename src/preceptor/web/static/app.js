// What every page does in the browser beyond its links and forms. All of it is a convenience: each thing works without.
