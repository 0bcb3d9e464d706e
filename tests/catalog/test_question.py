"""A person's own SQL: it reads a copy of the catalog, and every way out of it is shut in one sentence."""

import subprocess
import sys

import duckdb
import pytest

from synthstudio.catalog.question import MOST_ROWS, answer, ask, reading
from synthstudio.errors import BadInput, Missing
from tests.catalog.projects import digests, finish, opened
from tests.jobs.counting import Paint

CATALOG = "projects/default/catalog.duckdb"


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    """Three images and their scores."""
    home = tmp_path_factory.mktemp("home")
    with opened(home) as studio:
        run_id, _ = studio.submit(Paint(images=1))
        studio.tick()
        finish(studio, run_id, digests(0, 3))
    return home / CATALOG


@pytest.fixture(scope="module")
def copy(catalog):
    """One copy for all attacks: what one of them changes, the next ones meet."""
    with reading(catalog) as connection:
        yield connection


def test_a_question_is_answered_with_columns_and_rows_of_now(catalog):
    found = ask(catalog, "select label, count(*) as n from review group by label order by label -- mine")
    assert (found.columns, found.rows) == (["label", "n"], [("<b>owl</b>", 1), ("cat", 1), ("dog", 1)])
    assert ("review",) in ask(catalog, "show tables").rows
    assert [row[0] for row in ask(catalog, "describe saved_views").rows] == ["name", "query", "who", "saved"]
    assert ask(catalog, "from names where role = 'set'").rows


def test_many_rows_are_cut_and_said_to_be(copy):
    found = answer(copy, "from range(1000000)")
    assert (len(found.rows), found.more) == (MOST_ROWS, True)
    assert not answer(copy, f"from range({MOST_ROWS})").more


@pytest.mark.parametrize(
    "question",
    [
        "delete from decisions",
        "insert into targets values ('x', 1)",
        "update runs set state = 'done'",
        "drop table review",
        "create temp table mine as select 1",
        "attach '{file}' as other",
        "copy review to '{file}'",
        "export database '{folder}'",
        "install httpfs",
        "load httpfs",
        "set memory_limit = '100GB'",
        "set enable_external_access = true",
        "pragma enable_logging",
        "call enable_logging()",
        "checkpoint",
        "explain analyze select 1",
        "use scratch",
        "select * from enable_logging()",
        "select * from read_csv('{file}')",
        "select * from read_text('/etc/passwd')",
        "select * from read_blob('{file}')",
        "select * from glob('/*')",
        "select * from sniff_csv('{file}')",
        "select * from query('from read_text(''/etc/passwd'')')",
        "from 'https://example.com/a.parquet'",
    ],
)
def test_whatever_writes_or_reaches_out_is_refused_in_a_sentence(copy, tmp_path, question):
    file = tmp_path / "file.csv"
    file.write_text("a,b\n1,2\n")
    with pytest.raises(BadInput, match=r"only reads the tables of the catalog: no files"):
        answer(copy, question.format(file=file, folder=tmp_path / "out"))
    assert [one.name for one in tmp_path.iterdir()] == ["file.csv"]


@pytest.mark.parametrize(
    ("question", "why"),
    [
        ("", "Ask one question, not 0"),
        ("select 1; drop table review", "Ask one question, not 2"),
        ("selec 1", "DuckDB says: syntax error"),
        ("select * from nothing_here", "nothing_here does not exist"),
        ("select * from '/etc/passwd'", "does not exist"),
        ("select * from sqlite_scan('x', 'y')", "SHOW TABLES"),
        ("select " + "1," * 10_000 + "1", "Shorten it"),
        ("from range(100000000) order by hash(range)", "more than 512 MB"),
        ("select cast('no' as integer)", "Could not convert"),
    ],
)
def test_what_cannot_be_answered_says_why(copy, question, why):
    with pytest.raises(BadInput, match=why) as refused:
        answer(copy, question)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "question",
    [
        "select count(*) from range(1000000) a, range(1000000) b, range(1000000) c where a.range + b.range = c.range",
        "with recursive x as (select 1 as n union all select n + 1 from x) select count(*) from x",
    ],
)
def test_a_question_without_an_end_is_interrupted(copy, question):
    with pytest.raises(BadInput, match=r"not answered in 0\.3 seconds"):
        answer(copy, question, seconds=0.3)


def test_it_is_asked_of_a_copy_while_another_process_has_the_project_open(catalog):
    before = catalog.read_bytes()
    holds = f"import duckdb; c = duckdb.connect({str(catalog)!r}); print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", holds], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as owner:
        owner.stdout.readline()
        with pytest.raises(duckdb.IOException, match="lock"):
            duckdb.connect(catalog)
        assert ask(catalog, "select count(*) from images").rows == [(3,)]
        owner.communicate(b"\n")
    assert catalog.read_bytes() == before


def test_a_project_without_a_catalog_is_told_how_to_begin(tmp_path):
    with pytest.raises(Missing, match="Start with"):
        ask(tmp_path / "catalog.duckdb", "select 1")
    assert list(tmp_path.iterdir()) == []
