"""``python -m mjtask_async``: the same as ``mjtask``."""

import sys

_EXTRA = ("typer", "rich", "PIL")  # what the extra `cli` brings


def main() -> int:
    """Run the command line; without the extra, say how to get it."""
    try:
        from .cli.app import main as run  # noqa: PLC0415  # may be missing
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in _EXTRA:
            raise
        print('mjtask needs more packages: pip install "mjtask_async[cli]"', file=sys.stderr)  # noqa: T201
        return 2
    return run()


if __name__ == "__main__":
    sys.exit(main())
