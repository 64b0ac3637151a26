"""The release command: the tables, where they are not there yet."""

import os

import psycopg

with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
    connection.execute("CREATE TABLE IF NOT EXISTS entries (text text PRIMARY KEY)")
    connection.execute("CREATE TABLE IF NOT EXISTS visits (number serial PRIMARY KEY)")
