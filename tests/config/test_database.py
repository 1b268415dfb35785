"""PostgreSQL URLs: what they say, and what is said of a wrong one without repeating it."""

from __future__ import annotations

import pytest

from config.database import Postgres, postgres
from config.reading import database_url


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://u:p@db/yijian", Postgres("db", 5432, "yijian", "u", "p")),
        ("postgres://u@db:6543/yijian", Postgres("db", 6543, "yijian", "u")),
        ("postgresql://db.example/y", Postgres("db.example", 5432, "y")),
        ("postgresql://u:p%40ss%3Aw%2Frd%3F%23%2520@h/n", Postgres("h", 5432, "n", "u", "p@ss:w/rd?#%20")),
        ("postgresql://u:p@q@h/n", Postgres("h", 5432, "n", "u", "p@q")),
        ("postgresql://用户:密码@h/数据", Postgres("h", 5432, "数据", "用户", "密码")),
        ("postgresql://u:@h/n", Postgres("h", 5432, "n", "u", "")),
        ("postgresql://u:p@[::1]:5433/n", Postgres("::1", 5433, "n", "u", "p")),
        (
            "postgresql://u:p@/n?host=/var/run/postgresql",
            Postgres("/var/run/postgresql", 5432, "n", "u", "p"),
        ),
        ("postgresql:///n?host=/tmp", Postgres("/tmp", 5432, "n")),
        ("postgresql://u:p@%2Frun%2Fpg:6000/n", Postgres("/run/pg", 6000, "n", "u", "p")),
        (
            "postgresql://u:p@h/n?sslmode=require",
            Postgres("h", 5432, "n", "u", "p", (("sslmode", "require"),)),
        ),
    ],
)
def test_a_url_is_taken_apart(url, expected):
    assert postgres(url) == expected
    assert database_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://",
        "postgresql://u:geheim@",
        "postgresql://u:geheim@h",
        "postgresql://u:geheim@h/",
        "postgresql://u:geheim@h/a/b",
        "postgresql://u:geheim@/n",
        "postgresql://u:geheim@h:0/n",
        "postgresql://u:geheim@h:65536/n",
        "postgresql://u:geheim@h:12345678901234567890/n",
        "postgresql://u:geheim@h:port/n",
        "postgresql://u:geheim/x@h/n",
        "postgresql://u:geheim#x@h/n",
        "postgresql://u:geheim?x@h/n",
        "postgresql://u:ge heim@h/n",
        "postgresql://u:geheim%@h/n",
        "postgresql://u:geheim%zz@h/n",
        "postgresql://u:geheim%00@h/n",
        "postgresql://u:geheim%ff@h/n",
        "postgresql://u:geheim@h/n%0a",
        "postgresql://u:geheim@h1,h2/n",
        "postgresql://u:geheim@[::1/n",
        "postgresql://u:geheim@::1/n",
        "postgresql://u:geheim@h/n?sslmode=yes",
        "postgresql://u:geheim@h/n?sslmode=",
        "postgresql://u:geheim@h/n?password=geheim",
        "postgresql://u:geheim@h/n?sslmode",
        "postgresql://u:geheim@h/n?host=other",
        "postgresql://u:geheim@h/n?sslmode=require&sslmode=disable",
        "postgresql+asyncpg://u:geheim@h/n",
        "mysql://u:geheim@h/n",
        "u:geheim@h/n",
        "postgresql:u:geheim@h/n",
    ],
)
def test_a_wrong_url_is_one_line_that_repeats_nothing_of_it(url):
    with pytest.raises(ValueError, match=r"\w") as caught:
        database_url(url)
    said = str(caught.value)
    assert "\n" not in said
    assert "geheim" not in said
    assert len(said) < 200


def test_a_password_is_not_shown():
    place = postgres("postgresql://u:geheim@h/n")
    assert "geheim" not in f"{place} {place!r}"
    assert str(place) == "n at h:5432"
