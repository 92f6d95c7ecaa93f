"""The queries of the ontology's tests, by id."""

QUERIES = ["dog", "bass", "new york city", "the", "cock a doodle doo", "quickly", "dogs", "sea bass"]
