"""What the operator decides: frozen, strict models of the site file, their loading, and inheritance by location.

Only the models are imported here; the loader (which needs a TOML parser) is imported by whoever loads a file.
"""

from penstock.settings.model import (
    AppSettings,
    BackendSettings,
    ErrorSettings,
    FilesSettings,
    FilteringSettings,
    HealthSettings,
    LimitSettings,
    LocationLimitSettings,
    LocationSettings,
    LogSettings,
    MiddlewareSettings,
    ModuleSettings,
    ProxySettings,
    RouteSettings,
    ServerSettings,
    Settings,
    SiteSettings,
    TlsSettings,
    TraceSettings,
    WebSocketSettings,
)

__all__ = [
    "AppSettings",
    "BackendSettings",
    "ErrorSettings",
    "FilesSettings",
    "FilteringSettings",
    "HealthSettings",
    "LimitSettings",
    "LocationLimitSettings",
    "LocationSettings",
    "LogSettings",
    "MiddlewareSettings",
    "ModuleSettings",
    "ProxySettings",
    "RouteSettings",
    "ServerSettings",
    "Settings",
    "SiteSettings",
    "TlsSettings",
    "TraceSettings",
    "WebSocketSettings",
]
