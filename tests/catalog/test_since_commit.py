"""Answers that are kept until something is written."""

from synthstudio.catalog.database import Database


def test_an_answer_is_asked_for_once_until_anybody_in_this_process_writes(tmp_path):
    one, other = Database(tmp_path / "catalog"), Database(tmp_path / "catalog")
    asked = []

    def count():
        asked.append(len(asked))
        return one.rows("select count(*) from sample")[0][0]

    with other.transaction() as cursor:
        cursor.execute("create table sample (number int)")
    assert [one.since_commit("count", count) for _ in range(3)] == [0, 0, 0] and len(asked) == 1
    assert one.since_commit("another", lambda: "another answer") == "another answer"
    with other.transaction() as cursor:
        cursor.execute("insert into sample values (1)")
    assert [one.since_commit("count", count) for _ in range(2)] == [1, 1] and len(asked) == 2
    one.close()
    other.close()


def test_an_answer_that_was_overtaken_by_a_write_is_not_kept(tmp_path):
    database = Database(tmp_path / "catalog")

    def overtaken():
        with database.transaction():
            return "before"

    assert database.since_commit("what", overtaken) == "before"
    assert database.since_commit("what", lambda: "after") == "after"
    database.close()
