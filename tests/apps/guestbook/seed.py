"""What a new copy begins with."""

import os

import psycopg

with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
    connection.execute("INSERT INTO entries VALUES ('seeded')")
