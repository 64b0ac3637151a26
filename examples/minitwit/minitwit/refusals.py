"""What the app says no to, in words for the person who asked.

    Refused            status 400: the request cannot be granted
    ├── NotSignedIn    401: wrong name, password or token
    ├── NotFound       404: no such person or post
    ├── Taken          409: the name belongs to somebody else
    ├── TooLarge       413: more bytes than allowed
    └── NotAPicture    415: the bytes are no picture of a kind we serve

It must not know HTTP beyond the status number: pages and API each render a refusal their own way.
"""


class Refused(Exception):
    """The message is shown to the person as it is."""

    status = 400
    code = "refused"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class NotSignedIn(Refused):
    status = 401
    code = "not-signed-in"


class NotFound(Refused):
    status = 404
    code = "not-found"


class Taken(Refused):
    status = 409
    code = "taken"


class TooLarge(Refused):
    status = 413
    code = "too-large"


class NotAPicture(Refused):
    status = 415
    code = "not-a-picture"
