"""The routes of saved views, used and attacked."""

import json

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from synthstudio.ui.api import review_routes, routes, saved_view_routes
from tests.ui.test_review_routes import HOSTILE, session  # noqa: F401 - a fixture

VIEWS = "/studio/review/views"


@pytest.fixture(scope="module")
def client(session):  # noqa: F811 - the fixture
    app, api = FastAPI(), FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    api.add_exception_handler(Exception, routes._in_words)
    for router in (review_routes.router(session), saved_view_routes.router(session)):
        api.include_router(router)
    app.mount("/studio", api)
    return TestClient(app, base_url="http://127.0.0.1:7860", raise_server_exceptions=False)
