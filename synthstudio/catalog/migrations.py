"""The schema, one small function per change; a function never changes once shipped."""

from collections.abc import Callable

import duckdb

MIGRATIONS: list[Callable[[duckdb.DuckDBPyConnection], None]] = []
migration = MIGRATIONS.append


@migration
def m001_steps_and_runs(cursor: duckdb.DuckDBPyConnection) -> None:
    """Steps, their runs, and what runs say besides images and numbers."""
    cursor.execute("create table steps (id text primary key, kind text not null, body json not null)")
    cursor.execute("create sequence run_order")
    cursor.execute(
        """
        create table runs (
            id text primary key, step_id text not null, kind text not null, state text not null,
            position bigint not null default nextval('run_order'), attempt integer not null default 0,
            resources json not null, device text not null default '', read_to bigint not null default 0,
            created double not null, started double, finished double, pid integer, pid_started double,
            done bigint not null default 0, total bigint not null default 0, unit text not null default '',
            progress_at double, measures json, environment json, seconds double not null default 0,
            peak_memory_mb double not null default 0, error text
        )
        """
    )
    cursor.execute(
        "create table outputs (run_id text, name text, position integer, value json, primary key (run_id, name))"
    )
    cursor.execute("create table notes (run_id text, text text, level text, said double, primary key (run_id, text))")
    cursor.execute("create table refused (run_id text, name text, reason text, primary key (run_id, name, reason))")


@migration
def m002_images_sets_scores_metrics(cursor: duckdb.DuckDBPyConnection) -> None:
    """Images and every number about them."""
    cursor.execute(
        """
        create table images (
            run_id text, plan_index bigint, digest text not null, label text not null, origin text not null,
            width integer not null, height integer not null, made json not null, created double not null,
            primary key (run_id, plan_index)
        )
        """
    )
    cursor.execute("create index images_by_digest on images (digest)")
    cursor.execute(
        "create table image_sets (id text primary key, role text not null, size bigint not null, run_id text,"
        " created double)"
    )
    cursor.execute(
        "create table members (set_id text, image text, label text, given text,"
        " primary key (set_id, image, label, given))"
    )
    cursor.execute(
        "create table scores (run_id text, image text, scorer text, value double, primary key (run_id, image, scorer))"
    )
    cursor.execute(
        """
        create table metrics (
            run_id text, name text, arm text, label text, fold integer, value double not null,
            low double, high double, n bigint, split text, primary key (run_id, name, arm, label, fold)
        )
        """
    )


@migration
def m003_pipelines(cursor: duckdb.DuckDBPyConnection) -> None:
    """Recipes in progress."""
    cursor.execute(
        "create table pipelines (id text primary key, recipe text, state text, request json, created double,"
        " finished double, error text)"
    )
    cursor.execute(
        """
        create table nodes (
            pipeline_id text, position integer, name text, fold integer, kind text, template json,
            run_id text, reused boolean not null default false, primary key (pipeline_id, position)
        )
        """
    )


@migration
def m004_decisions(cursor: duckdb.DuckDBPyConnection) -> None:
    """What people decided about images. An act is one gesture; its decisions are one row per image, only ever added."""
    cursor.execute(
        """
        create table acts (
            id text primary key, first_seq bigint not null, last_seq bigint not null, who text not null,
            tab text not null, decided_at double not null, why text not null, context json not null, undoes text
        )
        """
    )
    cursor.execute(
        "create table decisions (seq bigint not null, act text not null, image text not null, verdict text not null,"
        " label text not null)"
    )
    # One row per picture in the order they came, however many runs made it: what a person reviews.
    cursor.execute(
        "create table tiles (number bigint not null, digest text not null, label text not null, origin text not null,"
        " width integer not null, height integer not null)"
    )
    cursor.execute("create table targets (label text primary key, wanted bigint not null)")


@migration
def m005_review(cursor: duckdb.DuckDBPyConnection) -> None:
    """One row per picture with the decision that stands: counts and pages no longer read the log of decisions.

    The log stays the truth; `ReviewTables.rebuild` makes these tables again from it and from images and scores.
    `read_to` says how many rows of the growing tables they hold.
    """
    cursor.execute(
        "create table review (number bigint not null, key bigint not null, digest text not null, label text not null,"
        " origin text not null, width integer not null, height integer not null, run bigint not null,"
        " verdict text not null, given text not null, seq bigint not null, held boolean not null)"
    )
    cursor.execute(
        """
        insert into review
        select t.number, coalesce(try_cast('0x' || left(t.digest, 15) as bigint), 0), t.digest, t.label, t.origin,
               t.width, t.height, i.run, coalesce(d.verdict, ''),
               coalesce(d.label, ''), coalesce(d.seq, 0),
               t.digest in (select m.image from members m join image_sets i on i.id = m.set_id where i.role = 'test')
        from tiles t join (
            select i.digest, min(r.position) as run from images i join runs r on r.id = i.run_id group by i.digest
        ) i on i.digest = t.digest left join (
            select image, arg_max(verdict, seq) as verdict, arg_max(label, seq) as label, max(seq) as seq
            from decisions group by image
        ) d on d.image = t.digest
        order by t.number
        """
    )
    cursor.execute("drop table tiles")
    # Runs that made a picture again, and what scorers say of it, by its number: joining numbers is quick.
    cursor.execute("create table makers (run bigint not null, number bigint not null)")
    cursor.execute(
        "create table latest_scores (scorer text not null, number bigint not null, value double not null,"
        " run bigint not null)"
    )
    cursor.execute("create table read_to (source text primary key, rows bigint not null)")
    cursor.execute("insert into read_to values ('images', 0), ('scores', 0)")


@migration
def m006_journal(cursor: duckdb.DuckDBPyConnection) -> None:
    """How much of the journal is in this catalog, and when the worker of a run was last launched."""
    cursor.execute("create table journal (read_to bigint not null, mark text not null)")
    cursor.execute("insert into journal values (0, '')")
    cursor.execute("alter table runs add column launched double")


@migration
def m007_names(cursor: duckdb.DuckDBPyConnection) -> None:
    """Names of sets, adapters, classifiers, runs and recipe runs; `Names` keeps them unique."""
    cursor.execute(
        "create table names (id text primary key, role text not null, name text not null, given boolean not null,"
        " run_id text, named_at double not null)"
    )


@migration
def m008_turns(cursor: duckdb.DuckDBPyConnection) -> None:
    """The order in which people want waiting runs to start."""
    cursor.execute("alter table runs add column turn double")


@migration
def m009_freed(cursor: duckdb.DuckDBPyConnection) -> None:
    """Things whose files were thrown away on purpose; `swept` once they are gone."""
    cursor.execute(
        "create table freed (id text primary key, freed_at double not null, who text not null, swept boolean not null)"
    )


@migration
def m010_saved_views(cursor: duckdb.DuckDBPyConnection) -> None:
    """Views of Review that people gave a name: the query as JSON."""
    cursor.execute(
        "create table saved_views (name text primary key, query text not null, who text not null,"
        " saved double not null)"
    )


@migration
def m011_settings(cursor: duckdb.DuckDBPyConnection) -> None:
    """What the first maker of a picture said it was made with, by the picture's number: filters read columns, not JSON.

    Like `latest_scores` it is filled when somebody looks, and made again from the images.
    """
    cursor.execute(
        "create table settings (number bigint not null, prompt text, negative_prompt text, seed text,"
        " guidance_scale double, strength double, inference_steps double, adapter_scale double, domain text,"
        " sampler text, parent text, adapter text, words text, backbone text)"
    )


@migration
def m012_tags(cursor: duckdb.DuckDBPyConnection) -> None:
    """Free words on images: what was put on and taken off, only ever added to, and what stands of it by number."""
    cursor.execute(
        "create table tagged (seq bigint not null, act text not null, image text not null, tag text not null,"
        " put boolean not null)"
    )
    cursor.execute("create table tags (number bigint not null, tag text not null, seq bigint not null)")


def migrate(connection: duckdb.DuckDBPyConnection) -> None:
    """Apply what has not been applied, each change in a transaction of its own."""
    cursor = connection.cursor()
    cursor.execute("create table if not exists migrations (name text primary key, applied timestamp default now())")
    applied = {name for (name,) in cursor.execute("select name from migrations").fetchall()}
    for change in MIGRATIONS:
        if change.__name__ in applied:
            continue
        cursor.begin()
        try:
            change(cursor)
            cursor.execute("insert into migrations (name) values (?)", [change.__name__])
            cursor.commit()
        except BaseException:
            cursor.rollback()
            raise
    cursor.close()
