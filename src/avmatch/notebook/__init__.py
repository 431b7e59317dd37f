"""What `import avmatch` offers: the pipelines as a person calls them from Python.

Features are kept between calls and progress is shown, unless one says otherwise; settings are keywords; files are named
as on the command line; what can't be is said in a sentence. What each does is written in `pipelines`.

    cache      True = the user's cache, False = keep nothing, or a folder
    progress   True = bars in a terminal or a notebook, elsewhere a line every 30 s, on stderr; False = nothing; or a
               function (stage, done, total)
"""
