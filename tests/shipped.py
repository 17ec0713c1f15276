"""The models that ship, as a worker loads them."""

import functools

from django.conf import settings

from benchmarks.bare import folders
from inference import versions
from inference.loading_onnx import fixed_scorer
from inference.scoring import Scorer
from inference.versions import ActiveVersion


@functools.cache
def shipped_scorer() -> Scorer:
    """Scores with the newest version of each model, loaded once."""
    manifests = {folder: versions.load(folder) for folder in folders()}
    active = {
        each.plugin: ActiveVersion(each.plugin, each.ref, each.digest, folder)
        for folder, each in manifests.items()
    }
    return fixed_scorer(settings.RTAI_PLUGINS, active)
