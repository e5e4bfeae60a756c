"""Files that cannot be read, and mistakes in files that are included."""

from __future__ import annotations

from pathlib import Path

import pytest

from faultproxy.errors import ScenarioError
from faultproxy.scenario import load

PROXY = '[proxy]\nlisten = "127.0.0.1:0"\n'


def mistakes(path: Path) -> tuple[str, ...]:
    with pytest.raises(ScenarioError) as caught:
        load(path)
    return tuple(mistake.replace(f"{path.parent}/", "") for mistake in caught.value.mistakes)


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert mistakes(tmp_path / "late.toml") == ("late.toml: no such file",)
    write(tmp_path / "latency.toml", PROXY)
    assert mistakes(tmp_path / "latenci.toml") == ("latenci.toml: no such file; did you mean latency.toml?",)
    assert mistakes(tmp_path / "none" / "x.toml") == (f"x.toml: no such file: there is no folder {tmp_path}/none",)


def test_what_is_no_scenario_file(tmp_path: Path) -> None:
    folder = tmp_path / "folder.toml"
    folder.mkdir()
    assert mistakes(folder) == ("folder.toml: a folder, where a scenario file was expected: name the file",)
    empty = 'x.toml: empty: a scenario says at least where the proxy listens, [proxy] listen = "127.0.0.1:0"'
    assert mistakes(write(tmp_path / "x.toml", "")) == (empty,)
    assert mistakes(write(tmp_path / "x.toml", "# nothing\n")) == (empty,)
    assert mistakes(write(tmp_path / "x.toml", "a = 1\n" * 200_000)) == ("x.toml: larger than 1 MiB: this is no scenario file",)
    latin = 'title = "a"\n# caf\xe9\n'.encode("latin-1")
    assert mistakes(write(tmp_path / "x.toml", latin)) == ("x.toml:2: not UTF-8 (byte 0xe9): TOML is written in UTF-8; save the file so",)
    deep = "a = " + "[" * 5000 + "]" * 5000
    assert mistakes(write(tmp_path / "x.toml", deep)) == ("x.toml: tables or lists are nested deeper than 32: this is no scenario file",)


def test_a_mark_at_the_beginning_is_no_mistake(tmp_path: Path) -> None:
    assert load(write(tmp_path / "x.toml", b"\xef\xbb\xbf" + PROXY.encode()))


def test_mistakes_stand_where_they_were_written(tmp_path: Path) -> None:
    write(tmp_path / "part.toml", '# faults\n[[fault]]\nname = "shared"\nkind = "latency"\ndelay = 5\n')
    own = f'include = ["part.toml"]\n{PROXY}[[fault]]\nkind = "latency"\ndelay = 6\n'
    assert mistakes(write(tmp_path / "x.toml", own)) == (
        'x.toml:6: fault "latency".delay: a time needs a unit: write it like "50ms", not 6',
        'part.toml:5: fault "shared".delay: a time needs a unit: write it like "50ms", not 5',
    )


def test_includes_that_cannot_be_had(tmp_path: Path) -> None:
    write(tmp_path / "nested.toml", f'include = ["profile:3g"]\n{PROXY}')
    write(tmp_path / "broken.toml", "[proxy\n")
    entries = ('"gone.toml"', '"profile:3h"', '"nested.toml"', '"broken.toml"', '""', '"${who}.toml"', "3")
    own = "include = [\n" + "".join(f"  {entry},\n" for entry in entries) + f"]\n{PROXY}delay = 1\n"
    assert mistakes(write(tmp_path / "x.toml", own)) == (
        "x.toml:2: include[1]: gone.toml: no such file",
        "x.toml:3: include[2]: there is no profile `3h`: did you mean `3g`?",
        "x.toml:6: include[5]: expected the name of a file or profile: the string is empty",
        "x.toml:7: include[6]: unknown name `${who}`: known here: none; define it in [vars] or with --var",
        "x.toml:8: include[7]: expected a string, not 3",
        "x.toml:12: proxy.delay: unknown key; known here: name, listen, upstream, protocol, intercept, fail_open, rcvbuf, sndbuf, idle",
        "nested.toml:1: include: an included file cannot include others: name them in the file that is run",
        "broken.toml:1: not valid TOML: expected ']' at the end of a table declaration",
    )


def test_own_tables_win_and_lists_come_behind_the_included(tmp_path: Path) -> None:
    part = f'title = "not mine"\n{PROXY}[vars]\nx = "1s"\n[[fault]]\nname = "theirs"\nkind = "latency"\ndelay = "${{x}}"\n'
    write(tmp_path / "part.toml", part)
    own = 'include = ["part.toml"]\n[proxy]\nlisten = "127.0.0.1:7000"\n[[fault]]\nname = "mine"\nkind = "latency"\ndelay = "1ms"\n'
    (scenario,) = load(write(tmp_path / "x.toml", own))
    assert scenario.proxies[0].listen == "127.0.0.1:7000"
    assert [fault.name for fault in scenario.faults] == ["theirs", "mine"]
    assert scenario.title == "x"
