"""What a request needs besides itself: the settings and the database of its application."""

from dataclasses import dataclass

from flask import current_app

from minitwit.database import Database
from minitwit.settings import Settings

EXTENSION = "minitwit"


@dataclass(frozen=True)
class Services:
    settings: Settings
    database: Database


def services() -> Services:
    found: Services = current_app.extensions[EXTENSION]
    return found


def database() -> Database:
    return services().database
