"""The verb that looks for what stands in the way, and says how to mend it."""

from __future__ import annotations

from typing import Annotated

import typer

from capacity.edge.doctor.rights import Part
from capacity.edge.face import DONE, FAILED, HELD, Face, NowOption, SampleOption, read_clock, verb
from capacity.edge.sample import sample_config

PartOption = Annotated[
    Part, typer.Option("--part", help="Whose rights to look at: each part has an account of its own in a cluster.")
]
CODES = {"ok": DONE, "warn": HELD, "fail": FAILED}


@verb
def doctor(face: Face, *, sample: SampleOption = False, part: PartOption = Part.both, now: NowOption = None) -> int:
    """Check configuration, data, Prometheus, cluster, rights, clock and versions; say what to fix. It writes nothing.

    Exit code 0: all is well; 3: warnings; 1: something fails.

    Example: capacity doctor -c capacity.yaml
    """
    from capacity.edge.doctor.examination import examine
    from capacity.edge.doctor.finding import worst
    from capacity.edge.sheets import doctor_sheet

    path = sample_config() if sample else face.config_path
    with face.count("examining") as progress:
        findings = examine(path, read_clock(now), part, progress)
    face.show(doctor_sheet(findings))
    return CODES[worst(findings)]
