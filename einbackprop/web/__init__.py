"""The page that needs no installation.

`site` writes it as a folder of static files, `session` is what runs in the page's Python, `static` holds what a browser
reads as it is, and `editor` makes the editor among that.
"""
