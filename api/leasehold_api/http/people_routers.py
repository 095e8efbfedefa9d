"""All routes and pages about people."""

from __future__ import annotations

from fastapi import APIRouter

from leasehold_api.http import members, users
from leasehold_api.http.pages import home, provider_sign_in, sign_in, static_files, welcome

PEOPLE: tuple[APIRouter, ...] = (
    users.router,
    members.router,
    home.router,
    sign_in.router,
    provider_sign_in.router,
    welcome.router,
    static_files.router,
)
