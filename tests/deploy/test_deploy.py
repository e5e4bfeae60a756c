"""What is deployed: the files are read as those who use them would, as far as that can be done without an engine."""

from __future__ import annotations

import configparser
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from faultproxy.scenario import load

DEPLOY = Path(__file__).parent.parent.parent / "deploy"
ROOT = DEPLOY.parent


def manifests() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((DEPLOY / "kubernetes" / "sidecar.yaml").read_text(encoding="utf-8")))


def the(kind: str) -> dict[str, Any]:
    (found,) = [each for each in manifests() if each["kind"] == kind]
    return found


def containers() -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in the("Deployment")["spec"]["template"]["spec"]["containers"]}


def test_the_scenario_in_the_config_map_is_one(tmp_path: Path) -> None:
    file = tmp_path / "scenario.toml"
    file.write_text(the("ConfigMap")["data"]["scenario.toml"], encoding="utf-8")
    (scenario,) = load(file)
    assert not scenario.unsupported()
    assert all(fault.manual for fault in scenario.faults)
    listens = {port["containerPort"] for port in containers()["faultproxy"]["ports"]}
    assert {int(str(proxy.listen).rpartition(":")[2]) for proxy in scenario.proxies} <= listens


def test_what_the_manifest_names_is_there() -> None:
    pod = the("Deployment")["spec"]["template"]["spec"]
    (volume,) = pod["volumes"]
    assert volume["configMap"]["name"] == the("ConfigMap")["metadata"]["name"]
    (token,) = containers()["faultproxy"]["env"]
    assert token["valueFrom"]["secretKeyRef"]["name"] == the("Secret")["metadata"]["name"]
    ports = {port["name"] for port in containers()["faultproxy"]["ports"]}
    assert the("Service")["spec"]["ports"][0]["targetPort"] in ports
    assert the("Service")["spec"]["selector"] == the("Deployment")["spec"]["template"]["metadata"]["labels"]


def test_nobody_is_root_and_only_the_proxy_has_rights_over_its_network() -> None:
    for name, container in containers().items():
        context = container["securityContext"]
        assert context["runAsNonRoot"]
        assert context["capabilities"].get("add", []) == (["NET_ADMIN", "NET_RAW"] if name == "faultproxy" else [])
    text = (DEPLOY / "container" / "Containerfile").read_text(encoding="utf-8")
    assert text.rstrip().splitlines()[-5].startswith("USER 65532")


def test_the_unit_gives_exactly_the_rights_that_packets_need() -> None:
    unit = configparser.ConfigParser(interpolation=None, strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(DEPLOY / "systemd" / "faultproxy.service", encoding="utf-8")
    service = unit["Service"]
    assert service["AmbientCapabilities"] == service["CapabilityBoundingSet"] == "CAP_NET_ADMIN CAP_NET_RAW"
    assert service["ExecStart"].split()[1:] == ["serve", "--host", "127.0.0.1", "--port", "8474"]


def test_the_container_copies_what_the_package_is_built_from() -> None:
    build = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    copied = (DEPLOY / "container" / "Containerfile").read_text(encoding="utf-8")
    for needed in (build["project"]["readme"], *build["project"]["license-files"], "pyproject.toml", "faultproxy"):
        assert needed in copied
    kept = (ROOT / ".dockerignore").read_text(encoding="utf-8")
    assert all(f"!{needed}" in kept for needed in ("pyproject.toml", "README.md", "LICENSE", "faultproxy", "deploy/container/entrypoint"))


@pytest.mark.peers
def test_those_who_know_find_nothing_wrong() -> None:
    for command in (
        ["hadolint", str(DEPLOY / "container" / "Containerfile")],
        ["kubernetes-validate", "--strict", str(DEPLOY / "kubernetes" / "sidecar.yaml")],
        ["/bin/sh", "-n", str(DEPLOY / "container" / "entrypoint")],
    ):
        done = subprocess.run([_found(command[0]), *command[1:]], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def _found(program: str) -> str:
    beside = Path(sys.executable).parent / program
    found = str(beside) if beside.exists() else shutil.which(program)
    assert found, f"{program} is missing"
    return found
