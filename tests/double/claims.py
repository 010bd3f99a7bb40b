"""Volume claims and storage classes: what may change of them, and who may grow.

`ValidatePersistentVolumeClaimUpdate` of `pkg/apis/core/validation`; the admission plugin PersistentVolumeClaimResize.
"""

from __future__ import annotations

from tests.double.copying import copied
from tests.double.quantities import read_quantity
from tests.double.status import JSON, Cause, forbidden_value, missing_value, wrong_value

PROTECTION = "kubernetes.io/pvc-protection"
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
IMMUTABLE = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
FIXED = (
    "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize"
)
STORAGE = "spec.resources.requests.storage"


def requested(claim: JSON) -> str:
    """Return the size a claim asks for."""
    return str(((claim["spec"].get("resources") or {}).get("requests") or {}).get("storage", "0"))


def check_claim(item: JSON, old: JSON | None) -> list[Cause]:
    """Refuse a claim of nothing, a change of what is fixed, and less than the volume already has."""
    problems = []
    if not item["spec"].get("accessModes"):
        problems.append(missing_value("spec.accessModes", "at least 1 access mode is required"))
    if requested(item) == "0":
        problems.append(missing_value("spec.resources[storage]"))
    if read_quantity(requested(item)) < 0:
        problems.append(wrong_value("spec.resources[storage]", requested(item), "must be greater than zero"))
    return problems + (_check_change(item, old) if old else [])


def _check_change(item: JSON, old: JSON) -> list[Cause]:
    new, before, problems = copied(item["spec"]), copied(old["spec"]), []
    if "volumeName" not in before and "volumeName" in new:
        before["volumeName"] = new["volumeName"]
    if (old.get("status") or {}).get("phase") == "Bound" and (new.get("resources") or {}).get("requests"):
        new["resources"]["requests"]["storage"] = requested(old)
        for spec in (new, before):
            spec.pop("volumeAttributesClassName", None)
    if new != before:
        problems.append(forbidden_value("spec", IMMUTABLE))
    has = ((old.get("status") or {}).get("capacity") or {}).get("storage", "0")
    if read_quantity(requested(item)) < min(read_quantity(has), read_quantity(requested(old))):
        problems.append(forbidden_value(STORAGE, "field can not be less than status.capacity"))
    return problems


def refusal_to_grow(item: JSON, old: JSON, storage_class: JSON | None) -> str:
    """Return why a claim cannot grow as asked (PersistentVolumeClaimResize), or nothing."""
    if read_quantity(requested(item)) <= read_quantity(requested(old)):
        return ""
    if (old.get("status") or {}).get("phase") != "Bound":
        return "Only bound persistent volume claims can be expanded"
    return "" if storage_class and storage_class.get("allowVolumeExpansion") else FIXED


def check_storage_class(item: JSON, old: JSON | None) -> list[Cause]:
    """Refuse a class without a provisioner, and another provisioner or parameters than before."""
    if not item.get("provisioner"):
        return [missing_value("provisioner")]
    fixed = ("parameters", "provisioner", "reclaimPolicy", "volumeBindingMode") if old else ()
    return [
        forbidden_value(name, f"updates to {name} are forbidden.")
        for name in fixed
        if old and item.get(name) != old.get(name)
    ]
