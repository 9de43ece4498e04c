"""The bundle is read while the modules that bind it are imported: importing this begins it.

Only the environment's settings decide what is read. Nothing is raised here: whoever wants the
bundle asks for it, and is told then.
"""

import os
from concurrent.futures import Future, ThreadPoolExecutor

from classifier.config import S3Prefix, Settings
from classifier.errors import SettingsError
from classifier.model.bundle import Bundle, S3Store, read_bundle

# Lambda gives a start-up ten seconds, and the rest of it wants some too.
_BUDGET_S = 8.0


def bundle(place: S3Prefix) -> Bundle:
    """The bundle at ``place``: the one that was begun, the first time; read anew after that.

    Raises BundleError.
    """
    begun = _begun.pop(place, None)
    return begun.result() if begun else _read(place)


def _read(place: S3Prefix) -> Bundle:
    return read_bundle(S3Store(place, budget_s=_BUDGET_S))


def _begin() -> dict[S3Prefix, Future[Bundle]]:
    try:
        place = Settings.from_env(os.environ).model_uri
    except SettingsError:
        return {}
    pool = ThreadPoolExecutor(1)
    begun = pool.submit(_read, place)
    pool.shutdown(wait=False)
    return {place: begun}


_begun = _begin()
