"""The command line ``mjtask``: typer commands around the library, no logic of their own.

The modules, outermost first: `app` declares the commands and turns errors into
exit codes; `demo`, `tasks` and `serve` are the commands' coroutines; `screen`
shows updates as bars, lines or JSON; `tally`, `gallery`, `render` and `exits` are
plain functions of their arguments.
"""
