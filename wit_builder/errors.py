"""The one exception for what a user can put right."""


class UserError(Exception):
    """A mistake of the user's, not of the program's.

    Its message names the thing, the value and the remedy; `wit` prints it as
    one line and exits with status 2.
    """
