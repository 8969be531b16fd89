"""This file is the acceptance site's Flask application."""

from flask import Flask, abort, jsonify, make_response, redirect, request
from werkzeug.wrappers import Response

application = Flask(__name__)


@application.get("/")
def overview() -> str:
    return f"Power at {request.script_root}{request.path}"


@application.post("/sum")
def add() -> Response:
    return jsonify(sum=sum(request.get_json()["numbers"]))


@application.get("/cookies")
def cookies() -> Response:
    answer = make_response(dict(request.cookies))
    answer.set_cookie("a", "1")
    answer.set_cookie("b", "2")
    return answer


@application.get("/count")
def count() -> Response:
    return Response((f"{number}\n" for number in range(5)), content_type="text/plain")


@application.get("/leave")
def leave() -> Response:
    return redirect("/power/")


@application.get("/missing")
def missing() -> str:
    abort(404)


@application.get("/fail")
def fail() -> str:
    raise RuntimeError("meant to fail")
