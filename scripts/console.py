#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# Prints the console page for Prometheus, examples/prometheus/rtpproxy.html, with the panels of the dashboard beside it.
#
# usage: console.py
# What stands between the two lines `// --- dashboard.json` and `// ---` of the page is made anew. What the page could
# not show (another type of panel, another unit, a label left out) is an error, not a panel less.
import json
import os
import re
import sys

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "examples", "prometheus")
BEGIN = "// --- dashboard.json, by scripts/console.py ---\n"
END = "// ---\n"
TYPES = {"stat", "timeseries", "state-timeline"}
UNITS = {"", "ops", "s"}
SPANS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def refuse(reason):
    sys.exit(f"error: examples/prometheus/dashboard.json: {reason}")


def seconds(span):
    """A span of Grafana's, such as now-6h or 30s, in seconds."""
    match = re.fullmatch(r"(?:now-)?(\d+)([smhd])", span)
    return int(match[1]) * SPANS[match[2]] if match else refuse(f"what span is {span}?")


def text(value):
    """A literal for the script of the page, in which Prometheus would run whatever stands in double braces."""
    made = json.dumps(value).replace("</", "<\\/")
    return made if "{{" not in made else refuse(f"double braces in {value}")


def target(panel, found):
    expression, legend = found["expr"], found["legendFormat"]
    legend = re.sub(r"\{\{\s*(\w+)\s*\}\}", r"{\1}", legend)
    return f"    {text([expression, legend])}"


def panel(found):
    title, kind, defaults = found["title"], found["type"], found["fieldConfig"]["defaults"]
    unit = defaults.get("unit", "")
    if kind not in TYPES:
        refuse(f"{title}: no panel of type {kind} is known")
    if unit not in UNITS:
        refuse(f"{title}: no unit {unit} is known")
    states = {}
    for mapping in defaults.get("mappings", []):
        states |= {value: [shown["text"], shown["color"]] for value, shown in mapping["options"].items()}
    if bool(states) != (kind == "state-timeline"):
        refuse(f"{title}: states belong to a state-timeline, and it has some")
    place = [found["gridPos"][side] for side in "xyw"]
    head = {"title": title, "type": kind, "unit": unit, "place": place, "states": states}
    targets = ",\n".join(target(found, one) for one in found["targets"])
    return f'  {text(head)[:-1]}, "targets": [\n{targets}\n  ]}}'


def script(dashboard):
    variables = {one["name"]: one for one in dashboard["templating"]["list"]}
    instances = re.fullmatch(r"label_values\((\w+), instance\)", variables["instance"]["query"]["query"])
    if not instances or dashboard["time"]["to"] != "now":
        refuse("which instances there are, or which time is meant, is not known")
    head = {
        "title": dashboard["title"],
        "seconds": seconds(dashboard["time"]["from"]),
        "refresh": seconds(dashboard["refresh"]),
        "instances": instances[1],
    }
    panels = sorted(dashboard["panels"], key=lambda one: (one["gridPos"]["y"], one["gridPos"]["x"]))
    panels = ",\n".join(panel(one) for one in panels)
    return f'const dashboard = {text(head)[:-1]}, "panels": [\n{panels}\n]}};\n'


with open(os.path.join(FOLDER, "dashboard.json"), encoding="utf-8") as file:
    made = script(json.load(file))
with open(os.path.join(FOLDER, "rtpproxy.html"), encoding="utf-8") as file:
    page = file.read()
if page.count(BEGIN) != 1 or page.count(END) != 1 or page.index(BEGIN) > page.index(END):
    sys.exit("error: examples/prometheus/rtpproxy.html has no place for the panels")
sys.stdout.write(page[: page.index(BEGIN) + len(BEGIN)] + made + page[page.index(END) :])
