"""A command in the process that tests it."""

import sys
from collections.abc import Callable

import pytest

from synthstudio.cli import main


def caller(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """What runs `synthstudio` with arguments, expects its exit code, and returns what it printed, or complained of."""

    def call(*arguments: object, code: int = 0) -> str:
        monkeypatch.setattr(sys, "argv", ["synthstudio", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        assert ended.value.code == code, said.err
        return said.err if code else said.out

    return call
