"""A Flask app of three routes: what a builder must install, start and find ready."""

import os
from pathlib import Path

from flask import Flask

app = Flask(__name__)
VERSION = (Path(__file__).parent / "VERSION").read_text().strip()


@app.get("/")
def hello():
    return f"Hello from Flask, {os.environ.get('GREETED', 'world')}\n"


@app.get("/up")
def up():
    return "up\n"


@app.get("/version")
def version():
    return VERSION + "\n"
