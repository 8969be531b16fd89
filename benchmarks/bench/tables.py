"""Results as text: a block for each case while the bench runs, and one table of all, for a terminal or in Markdown."""

from collections.abc import Iterator

from benchmarks.bench.results import Entry

BUSY = 0.9  # of its core: less, under a load without pauses, and something else was running there


def number(value: float | None) -> str:
    """Three significant figures or so, with thin groups of thousands."""
    if value is None:
        return "-"
    if abs(value) >= 1000:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.1f}" if abs(value) >= 100 else f"{value:.2f}"


def share(value: float | None) -> str:
    return "-" if value is None else f"{value * 100:.0f} %"


def block(entry: Entry) -> str:
    """One case: the medians of each server, the ratios, and how each was started."""
    head = f"{entry['name']}: {entry['title']}"
    columns = f"  {'':<28}{entry['unit']:>20}{'CPU µs/request':>16}{'server core':>13}{'load core':>12}"
    servers = [server_line(server) for server in entry["servers"]]
    verdicts = [verdict_line(verdict) for verdict in entry["verdicts"]]
    commands = [f"  $ {server['command']}" for server in entry["servers"]]
    return "\n".join([head, columns, *servers, *verdicts, *commands, ""])


def server_line(server: Entry) -> str:
    if server["failure"]:
        return f"  {server['name']:<28} not measured: {server['failure']}"
    shares = f"{share(server['server_share']):>13}{share(server['load_share']):>12}{mark(server)}"
    return f"  {server['name']:<28}{number(server['value']):>20}{number(server['cpu_us']):>16}{shares}"


def mark(server: Entry) -> str:
    """What was not as it should be: `*` the load generator was the limit, `!` neither was, so the machine was not quiet."""
    if server["load_full"]:
        return "*"
    return "!" if server["is_saturating"] and server["server_share"] < BUSY else " "


def verdict_line(verdict: Entry) -> str:
    each = " ".join(f"{ratio:.2f}" for ratio in verdict["ratios"])
    return f"  {verdict['variant']:>10} / {verdict['rival']:<26}{outcome(verdict)}   [{each}]{by_cost(verdict)}"


def by_cost(verdict: Entry) -> str:
    if verdict["by"] == "cpu":
        return f" of CPU µs, as the load core was full; {verdict['value_ratio']:.2f} x in what was counted"
    is_told = verdict["more_is_better"] and verdict["cpu_ratio"] is not None
    return f" ({verdict['cpu_ratio']:.2f} x in CPU µs)" if is_told else ""


def outcome(verdict: Entry) -> str:
    sign = ">=" if verdict["more_is_better"] else "<="
    aim = f", aim {verdict['aim']:.2f}" if verdict["aim"] is not None else ""
    met = "ok" if verdict["met"] else "MISSED"
    return f"{verdict['ratio']:.2f} x (due {sign} {verdict['target']:.2f}{aim}) {met}"


def rows(entries: list[Entry]) -> Iterator[tuple[str, ...]]:
    """A row for each case and rival: case, rival, their value, our values, ratios and targets."""
    for entry in entries:
        for rival in rivals_shown(entry):
            cells = [cell(server) + in_variant(server) for server in entry["servers"] if rival_of(server) == rival]
            yield (
                f"{entry['title']} ({entry['unit']})",
                f"{rival}: {', '.join(cells)}",
                *(ours_cell(entry, rival, variant) for variant in ("pure", "compiled")),
            )


def rivals_shown(entry: Entry) -> list[str]:
    """The rivals in the order of the case, each once (one of ours was run in two variants); of a family only the best."""
    best: dict[str, Entry] = {}
    for server in entry["servers"]:
        if rival := rival_of(server):
            family = server.get("family") or rival
            known = best.get(family)
            best[family] = server if known is None or is_better(server, known, entry=entry) else known
    return [rival_of(server) for server in best.values()]


def is_better(server: Entry, other: Entry, *, entry: Entry) -> bool:
    if server["failure"] or other["failure"]:
        return bool(other["failure"])
    return bool(server["value"] > other["value"]) == bool(entry["more_is_better"])


def rival_of(server: Entry) -> str:
    """The name under which ours are compared with it; "" for what is compared."""
    return str(server.get("rival", "" if server["variant"] else server["name"]))


def in_variant(server: Entry) -> str:
    return f" ({server['variant']})" if server["variant"] else ""


def cell(server: Entry) -> str:
    if server["failure"]:
        return "not measured"
    cost = f", {number(server['cpu_us'])} µs" if server["cpu_us"] is not None else ""
    return number(server["value"]) + cost + mark(server).strip()


def ours_cell(entry: Entry, rival: str, variant: str) -> str:
    ours = [server for server in entry["servers"] if server["variant"] == variant and not rival_of(server)]
    server = ours[0] if ours else None
    if server is None:
        return "-"
    verdict = next((v for v in entry["verdicts"] if v["variant"] == variant and v["rival"] == rival), None)
    if verdict is None:
        return cell(server)
    sign = "≥" if verdict["more_is_better"] else "≤"
    met = "" if verdict["met"] else ", missed"
    star = "*" if verdict["by"] == "cpu" else ""
    return f"{cell(server)}: {verdict['ratio']:.2f} ×{star} ({sign} {verdict['target']:.2f}{met})"


def summary(entries: list[Entry]) -> str:
    verdicts = [
        (entry["name"], verdict)
        for entry in entries
        for verdict in entry["verdicts"]
        if verdict["rival"] in rivals_shown(entry)
    ]
    lines = [f"  {name:<24}{each['variant']:<10}/ {each['rival']:<26}{outcome(each)}" for name, each in verdicts]
    lines += [
        f"  {entry['name']:<24}{server['name']} was not measured"
        for entry in entries
        for server in entry["servers"]
        if server["failure"]
    ]
    met = sum(verdict["met"] for _, verdict in verdicts)
    return "\n".join([*lines, f"{met} of {len(verdicts)} ratios are as due"])


def markdown(entries: list[Entry]) -> str:
    head = ("case", "the other server", "penstock, pure", "penstock, compiled")
    lines = [head, ("---",) * len(head), *rows(entries)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
