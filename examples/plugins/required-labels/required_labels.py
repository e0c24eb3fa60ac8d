"""A policy in Python: no token for a pod whose labels do not look as they must."""

import json
import re

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.decide import Question, Verdict, Verdict_Deny, Verdict_Pass
from wit_world.imports.model import Problem

SETTINGS = {"labels": dict, "exemptNamespaces": list}


class Settings:
    """What the plugins file says, checked."""

    def __init__(self, text: str):
        self.problems: list[Problem] = []
        given = json.loads(text)
        for key, value in given.items():
            self.check_type(key, value)
        self.exempt = given.get("exemptNamespaces", [])
        self.patterns: dict[str, re.Pattern[str]] = {}
        if not self.problems:
            self.compile(given.get("labels", {}))

    def check_type(self, key: str, value: object) -> None:
        wanted = SETTINGS.get(key)
        if wanted is None:
            self.problem(f"/{pointer(key)}", f"unknown setting; there are {', '.join(SETTINGS)}")
        elif not isinstance(value, wanted):
            self.problem(f"/{key}", "labels is a map, exemptNamespaces a list")

    def compile(self, labels: dict[str, str]) -> None:
        for name, pattern in labels.items():
            try:
                self.patterns[name] = re.compile(pattern)
            except (re.error, TypeError) as error:
                self.problem(f"/labels/{pointer(name)}", f"no regular expression: {error}")

    def problem(self, setting: str, message: str) -> None:
        self.problems.append(Problem(setting, message))


def pointer(key: str) -> str:
    """A key as a part of a JSON pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")


class Decide(exports.Decide):
    """The world's one interface. Each call has a fresh instance, so nothing is kept from one to the next."""

    settings: Settings

    def configure(self, settings: str) -> None:
        Decide.settings = Settings(settings)
        if Decide.settings.problems:
            raise Err(Decide.settings.problems)

    def decide(self, question: Question) -> Verdict:
        settings, pod = Decide.settings, question.pod
        if pod.namespace in settings.exempt:
            return Verdict_Pass()
        labels = {label.name: label.value for label in pod.labels}
        for name, pattern in settings.patterns.items():
            value = labels.get(name)
            if value is None:
                return Verdict_Deny(f"the pod has no label {name}")
            if not pattern.fullmatch(value):
                return Verdict_Deny(f"the pod's label {name} is {value!r}, and has to match {pattern.pattern}")
        return Verdict_Pass()
