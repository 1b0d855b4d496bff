"""The token that clients send: by HTTP in the header "Authorization", by gRPC in the metadata of that name."""

import hmac


def is_bearer(given: bytes, token: str) -> bool:
    """Whether that is "Bearer TOKEN"; schemes of HTTP have no case. It takes as long whatever is wrong with a token.

    >>> is_bearer(b"bearer sesame", "sesame"), is_bearer(b"Bearer sesam", "sesame"), is_bearer(b"sesame", "sesame")
    (True, False, False)
    """
    scheme, _, credentials = given.partition(b" ")
    return hmac.compare_digest(credentials.strip(), token.encode()) and scheme.lower() == b"bearer"
