"""The review in a browser: a server on this machine only, for one result, an index to search in, or both.

    guard.py     who may ask: this machine, with the token, from our own page
    ranges.py    which bytes of a file a request asks for (RFC 9110)
    files.py     a file as a response
    records.py   nouns as JSON
    routes.py    what is asked and answered; media.py the same of pictures and sounds
    exporting.py timelines written from the page
    searching.py clips that are sent, and the sounds of an index that go with them
    events.py    what every open page should know at once
    server.py    a port, a token, and the server; stopping.py ends it

docs/review.md is the contract with the page, which lies in page/.
"""
