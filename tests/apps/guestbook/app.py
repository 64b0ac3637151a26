"""Keeps entries in the PostgreSQL that it finds by DATABASE_URL, and notes every visit there."""

import os
from pathlib import Path

from flask import Flask, jsonify, request
from psycopg_pool import ConnectionPool

app = Flask(__name__)
VERSION = (Path(__file__).parent / "VERSION").read_text().strip()
pool = ConnectionPool(os.environ["DATABASE_URL"], min_size=1, max_size=4, open=True)


@app.get("/")
def visit():
    with pool.connection() as connection:
        (number,) = connection.execute("INSERT INTO visits DEFAULT VALUES RETURNING number").fetchone()
    return f"{number}\n"


@app.get("/visits")
def visits():
    with pool.connection() as connection:
        (count,) = connection.execute("SELECT count(*) FROM visits").fetchone()
    return f"{count}\n"


@app.get("/entries")
def entries():
    with pool.connection() as connection:
        return jsonify([text for (text,) in connection.execute("SELECT text FROM entries ORDER BY text")])


@app.post("/entries")
def enter():
    with pool.connection() as connection:
        connection.execute("INSERT INTO entries VALUES (%s)", [request.get_data(as_text=True)])
    return "", 201


@app.get("/up")
def up():
    with pool.connection() as connection:
        connection.execute("SELECT 1")
    return "up\n"


@app.get("/version")
def version():
    return VERSION + "\n"


@app.after_request
def tell_version(response):
    response.headers["X-Version"] = VERSION
    return response
