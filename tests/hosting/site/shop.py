"""This file is the acceptance site's Django application."""

from typing import Any

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import FileResponse, HttpResponse, HttpResponseRedirect, JsonResponse, StreamingHttpResponse
from django.urls import path

settings.configure(
    SECRET_KEY="acceptance",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=["django.middleware.common.CommonMiddleware", "django.middleware.http.ConditionalGetMiddleware"],
    USE_TZ=True,
    LOGGING_CONFIG=None,
)
django.setup(set_prefix=False)


def overview(request: Any) -> Any:
    return HttpResponse(f"<h1>Shop at {request.get_full_path()}</h1>")


def order(request: Any) -> Any:
    answer = JsonResponse({"item": request.POST.get("item"), "files": {n: f.size for n, f in request.FILES.items()}})
    answer.set_cookie("basket", "7")
    answer.set_cookie("seen", "order", path="/shop")
    return answer


def leave(request: Any) -> Any:
    return HttpResponseRedirect("/shop/")


def count(request: Any) -> Any:
    return StreamingHttpResponse((f"{number}\n" for number in range(5)), content_type="text/plain")


def download(request: Any) -> Any:
    return FileResponse(open(__file__, "rb"), content_type="text/plain")


def fail(request: Any) -> Any:
    raise RuntimeError("meant to fail")


urlpatterns = [
    path("", overview),
    path("order/", order),
    path("leave/", leave),
    path("count/", count),
    path("download/", download),
    path("fail/", fail),
]
application = get_wsgi_application()
