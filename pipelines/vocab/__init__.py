"""`wit vocab`: one module a verb."""
