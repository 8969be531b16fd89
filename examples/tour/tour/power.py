"""This file is the Flask page: how much power falling water gives. It runs in a pool, with an environment of its own."""

import os
from importlib.metadata import version
from pathlib import Path

from flask import Flask, render_template, request

GRAVITY = 9.81  # m/s²
DENSITY = 1000.0  # kg/m³

app = Flask(__name__, template_folder=str(Path(__file__).with_name("templates")))


@app.get("/")
def power() -> str:
    """The page with its form; with `head`, `flow` and `efficiency` in the query also the answer."""
    head = request.args.get("head", 5.5, type=float)
    flow = request.args.get("flow", 1.8, type=float)
    efficiency = request.args.get("efficiency", 0.85, type=float)
    kilowatts = DENSITY * GRAVITY * flow * head * efficiency / 1000
    place = {"pool": os.environ.get("TOUR_POOL", ""), "process": os.getpid(), "flask": version("flask")}
    return render_template("power.html", head=head, flow=flow, efficiency=efficiency, kilowatts=kilowatts, **place)
