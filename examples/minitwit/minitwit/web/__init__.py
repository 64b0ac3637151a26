"""The pages, the JSON API and the endpoints for machines. Rules of the app itself live outside this package."""
